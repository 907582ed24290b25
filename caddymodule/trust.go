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
func (t *trust) believes(r *http.Request, server traits) bool {
	if t.byServer && server.has(serverTrustsProxies) {
		if decided, trusted := serverTrusts(r); decided {
			return trusted
		}
	}
	return t.contains(peers.get(r.RemoteAddr))
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
