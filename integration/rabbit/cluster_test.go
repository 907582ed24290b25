package rabbit

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTwoNodesBecomeACluster(t *testing.T) {
	t.Parallel()
	a := Start(t)
	b := a.StartPeer(t)
	for _, n := range []*Node{a, b} {
		status := n.Ctl(t, "cluster_status")
		require.Contains(t, status, a.Name())
		require.Contains(t, status, b.Name())
	}
	a.Ctl(t, "add_vhost", "shared")
	require.Contains(t, b.Ctl(t, "list_vhosts"), "shared")

	b.Restart(t) // and finds the other again, by an epmd that may be either's
	require.Contains(t, b.Ctl(t, "list_vhosts"), "shared")
}
