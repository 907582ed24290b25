package harness

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// given remembers the ports handed out by this process, since none is in use until its server starts.
var given struct {
	sync.Mutex
	ports map[int]bool
}

// FreePorts returns n ports on the loopback that are free for both TCP and UDP. They lie below 32768, where
// the kernel starts to pick ports for outgoing connections, so that no client takes one meanwhile.
func FreePorts(n int) ([]int, error) {
	given.Lock()
	defer given.Unlock()
	if given.ports == nil {
		given.ports = make(map[int]bool)
	}
	var ports []int
	for try := 0; len(ports) < n; try++ {
		if try == 1000 {
			return nil, errors.New("no free port between 10000 and 20000")
		}
		port := 10000 + rand.IntN(10000)
		if given.ports[port] || !free(port) {
			continue
		}
		given.ports[port] = true
		ports = append(ports, port)
	}
	return ports, nil
}

func free(port int) bool {
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	tcp, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", addr)
	if err != nil {
		return false
	}
	return udp.Close() == nil
}
