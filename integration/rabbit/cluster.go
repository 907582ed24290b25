package rabbit

import (
	"fmt"
	"os"
	"path/filepath"
)

// cookieFile lies in a node's folder, which is its HOME. Nodes with the same cookie may talk to each other.
const cookieFile = ".erlang.cookie"

// Peer boots a second node in dir, with ports and folders of its own, as a member of n's cluster, which has n's users,
// vhosts and policies. n must run. The caller must shut both down, in any order.
func (n *Node) Peer(dir string, plugins ...string) (*Node, error) {
	cookie, err := os.ReadFile(filepath.Join(n.dir, cookieFile))
	if err != nil {
		return nil, err
	}
	peer, err := prepare(dir)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, cookieFile), cookie, 0o400); err != nil {
		return nil, err
	}
	// One epmd tells both where the other listens. Whichever guard comes first runs it, see guard.sh.
	peer.epmd = n.epmd
	peer.env = append(peer.env, fmt.Sprintf("ERL_EPMD_PORT=%d", n.epmd))
	peer.conf = fmt.Sprintf("cluster_formation.classic_config.nodes.1 = %s\n", n.name) // a node without data joins at its first boot
	if peer, err = peer.launch(plugins); err != nil {
		return nil, err
	}
	if _, err := peer.Run("await_online_nodes", "2"); err != nil { // one that finds nobody to join runs alone
		peer.Crash()
		return nil, err
	}
	return peer, nil
}
