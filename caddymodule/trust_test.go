package caddymodule

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhoIsBelieved(t *testing.T) {
	for _, c := range []struct {
		words []string
		peer  string
		want  bool
	}{
		{nil, "127.0.0.1:1", true},
		{nil, "[::1]:1", true},
		{nil, "10.1.2.3:1", true},
		{nil, "172.16.0.1:1", true},
		{nil, "192.168.9.9:1", true},
		{nil, "[fd00::1]:1", true},
		{nil, "[::ffff:10.1.2.3]:1", true},
		{nil, "172.32.0.1:1", false},
		{nil, "198.51.100.7:1", false},
		{nil, "[2001:db8::1]:1", false},
		{nil, "@", true}, // behind a Unix socket
		{nil, "", true},
		{[]string{}, "127.0.0.1:1", false},
		{[]string{}, "@", false},
		{[]string{"198.51.100.7"}, "198.51.100.7:1", true},
		{[]string{"198.51.100.7"}, "198.51.100.8:1", false},
		{[]string{"198.51.100.7"}, "127.0.0.1:1", false},
		{[]string{"198.51.100.7/24"}, "198.51.100.8:1", true},
		{[]string{"2001:db8::/32", "private_ranges"}, "[2001:db8::1%eth0]:1", true},
		{[]string{"10.0.0.0/8"}, "@", false},
	} {
		trusted, err := newTrust(c.words)
		require.NoError(t, err)
		require.Equal(t, c.want, trusted.contains(parsePeer(c.peer)), "%v %s", c.words, c.peer)
	}
	for _, word := range []string{"", "everyone", "10.0.0.0/33", "10.0.0.256", "a/b", "10.0.0.1-10.0.0.9"} {
		_, err := newTrust([]string{word})
		require.Error(t, err, word)
	}
}

// FuzzParsePeer: what is remembered is what netip reads.
func FuzzParsePeer(f *testing.F) {
	for _, s := range []string{"127.0.0.1:80", "255.255.255.255:65535", "256.1.1.1:1", "1.2.3:4", "01.2.3.4:5", "1.2.3.4:", "1.2.3.4:00080",
		"1.2.3.4:65536", "[::1]:80", "[fe80::1%eth0]:80", "[::ffff:1.2.3.4]:80", "@", "", "1.2.3.4.5:6", "-1.2.3.4:5"} {
		f.Add(s)
	}
	var table peerTable
	f.Fuzz(func(t *testing.T, s string) {
		want, err := netip.ParseAddrPort(s)
		if err != nil {
			want = netip.AddrPort{}
		} else {
			want = netip.AddrPortFrom(want.Addr().Unmap().WithZone(""), want.Port())
		}
		for range 2 {
			require.Equal(t, want, table.get(s))
		}
		require.Equal(t, parsePeer("10.0.0.1:1"+s), table.get("10.0.0.1:1"+s), "another with the same end")
		require.Equal(t, want, table.get(s))
	})
}

func TestClientOf(t *testing.T) {
	for _, c := range []struct{ peer, clientIP, want string }{
		{"127.0.0.1:80", "127.0.0.1", "127.0.0.1:80"},
		{"[::1]:80", "::1", "[::1]:80"},
		{"[fe80::1%eth0]:80", "fe80::1", "[fe80::1]:80"},
		{"127.0.0.1:80", "10.0.0.9", "10.0.0.9:0"},
		{"127.0.0.1:80", "2001:db8::1", "[2001:db8::1]:0"},
		{"127.0.0.10:80", "127.0.0.1", "127.0.0.1:0"},
		{"127.0.0.1:80", "", "127.0.0.1:80"},
		{"127.0.0.1:80", "nonsense", "127.0.0.1:80"},
	} {
		vars := map[string]any{"client_ip": c.clientIP}
		require.Equal(t, c.want, clientOf(parsePeer(c.peer), c.peer, vars).String(), c)
	}
	require.False(t, clientOf(parsePeer("@"), "@", nil).IsValid())
}
