package caddymodule

import (
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// client is the peer, or whom the server trusts it to speak for. A server that trusts nobody makes the peer of everyone.
func (q *request) client(r *http.Request) netip.AddrPort {
	peer := peers.get(q.remote)
	if !q.handler.server.of(r).has(serverTrustsProxies) {
		return peer
	}
	return clientOf(peer, q.remote, q.vars)
}

// clientOf is the client as Caddy sees it, which differs from the peer if the server's own
// trusted_proxies let the peer speak for others. Then the port is unknown.
func clientOf(peer netip.AddrPort, remoteAddr string, vars map[string]any) netip.AddrPort {
	ip, _ := vars[caddyhttp.ClientIPVarKey].(string)
	if ip == "" || isHost(ip, remoteAddr) {
		return peer
	}
	addr, err := netip.ParseAddr(ip)
	if err != nil || addr == peer.Addr() {
		return peer
	}
	return netip.AddrPortFrom(addr.Unmap().WithZone(""), 0)
}

// isHost reports whether host is the host of hostport, with or without brackets around it.
func isHost(host, hostport string) bool {
	hostport = strings.TrimPrefix(hostport, "[")
	return len(hostport) > len(host) && hostport[:len(host)] == host &&
		(hostport[len(host)] == ':' || hostport[len(host)] == ']')
}

// parsePeer reads http.Request.RemoteAddr, which is no address for a peer behind a Unix socket.
func parsePeer(remoteAddr string) netip.AddrPort {
	peer, err := netip.ParseAddrPort(remoteAddr)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(peer.Addr().Unmap().WithZone(""), peer.Port())
}

// peers remembers those of the connections that are open, as all requests of one have the same: to read an address costs more than to resolve
// a key. The table is small, and a hit writes nothing.
var peers peerTable

type peerTable [1024]atomic.Pointer[peer]

type peer struct {
	text string
	addr netip.AddrPort
}

const maxPeerText = 64

// get is parsePeer. The last digits of the port say where an address lies: those of many connections from one host differ there.
func (t *peerTable) get(remoteAddr string) netip.AddrPort {
	n := len(remoteAddr)
	if n < 3 || n > maxPeerText {
		return parsePeer(remoteAddr)
	}
	at := uint(remoteAddr[n-1]-'0') + 10*uint(remoteAddr[n-2]-'0') + 100*uint(remoteAddr[n-3]-'0')
	slot := &t[at%uint(len(t))]
	if p := slot.Load(); p != nil && p.text == remoteAddr {
		return p.addr
	}
	addr := parsePeer(remoteAddr)
	slot.Store(&peer{remoteAddr, addr})
	return addr
}
