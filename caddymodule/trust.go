package caddymodule

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// privateRanges is Caddy's own word for private networks and loopback.
const privateRanges = "private_ranges"

// trust is the set of peers whose trace headers are believed.
type trust struct {
	ranges   []netip.Prefix
	local    bool // peers without an address, that is behind a Unix socket
	byServer bool // what the server's own trusted_proxies say goes before it
}

// newTrust reads the words of trusted_proxies; nil is the default.
func newTrust(words []string) (trust, error) {
	var t trust
	if words == nil {
		words, t.byServer = []string{privateRanges}, true
	}
	for _, word := range words {
		if word == privateRanges {
			t.local = true
			for _, cidr := range caddyhttp.PrivateRangesCIDR() {
				if err := t.add(cidr); err != nil {
					return trust{}, err
				}
			}
			continue
		}
		if err := t.add(word); err != nil {
			return trust{}, err
		}
	}
	return t, nil
}

func (t *trust) add(word string) error {
	prefix, err := parseRange(word)
	if err == nil {
		t.ranges = append(t.ranges, prefix)
	}
	return err
}

func parseRange(word string) (netip.Prefix, error) {
	if !strings.Contains(word, "/") {
		if addr, err := netip.ParseAddr(word); err == nil {
			addr = addr.Unmap().WithZone("")
			return netip.PrefixFrom(addr, addr.BitLen()), nil
		}
	} else if prefix, err := netip.ParsePrefix(word); err == nil {
		return prefix.Masked(), nil
	}
	return netip.Prefix{}, fmt.Errorf("trusted_proxies: '%s' is no address, CIDR range or %s", word, privateRanges)
}

// believes reports whether the trace headers of r count. Who is asked about is the other end of the connection, which no
// header can forge.
func (t *trust) believes(r *http.Request) bool {
	if t.byServer {
		if decided, trusted := serverTrusts(r); decided {
			return trusted
		}
	}
	return t.contains(parsePeer(r.RemoteAddr))
}

// contains reports whether the peer is one of the set. The zero AddrPort is a peer without an address.
func (t *trust) contains(peer netip.AddrPort) bool {
	if !peer.IsValid() {
		return t.local
	}
	addr := peer.Addr()
	for _, prefix := range t.ranges {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// parsePeer reads http.Request.RemoteAddr, which is no address for a peer behind a Unix socket.
func parsePeer(remoteAddr string) netip.AddrPort {
	if peer, ok := parsePeer4(remoteAddr); ok {
		return peer
	}
	peer, err := netip.ParseAddrPort(remoteAddr)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(peer.Addr().Unmap().WithZone(""), peer.Port())
}

// parsePeer4 is the quick way for a.b.c.d:port, which is nearly every request: netip takes a tenth of
// all that a request costs us.
func parsePeer4(s string) (peer netip.AddrPort, ok bool) {
	var ip [4]byte
	n, digits, part := 0, 0, 0
	for i := range len(s) {
		if d := s[i] - '0'; d <= 9 {
			if digits++; digits > 5 || n == 0 && digits > 1 { // a leading zero may mean octal
				return peer, false
			}
			n = n*10 + int(d)
			continue
		}
		if part > 3 || s[i] != "...:"[part] || digits == 0 || n > 255 {
			return peer, false
		}
		ip[part] = byte(n)
		n, digits, part = 0, 0, part+1
	}
	if part != 4 || digits == 0 || n > 65535 {
		return peer, false
	}
	return netip.AddrPortFrom(netip.AddrFrom4(ip), uint16(n)), true
}
