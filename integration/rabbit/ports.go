package rabbit

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// Nodes get ports below the kernel's range for outgoing connections: a port from within that may be taken by any client between
// the check and the node's boot.
const firstPort, lastPort, blockSize = 20000, 32000, 100

// block is a hundred ports that this process alone gives away, by listening at the first of them for as long as it runs. A node takes
// some seconds until it listens, and other packages' tests start theirs meanwhile.
var block struct {
	sync.Mutex
	held []net.Listener // which the kernel closes
	next int
	end  int
}

// freePorts gives n ports away, none of them twice.
func freePorts(n int) ([]int, error) {
	block.Lock()
	defer block.Unlock()
	var ports []int
	for len(ports) < n {
		if block.next == block.end {
			if err := holdBlock(); err != nil {
				return nil, err
			}
		}
		if l, err := listen(block.next); err == nil {
			l.Close()
			ports = append(ports, block.next)
		}
		block.next++
	}
	return ports, nil
}

func holdBlock() error {
	for range 1000 {
		first := firstPort + blockSize*rand.IntN((lastPort-firstPort)/blockSize)
		if l, err := listen(first); err == nil {
			block.held = append(block.held, l)
			block.next, block.end = first+1, first+blockSize
			return nil
		}
	}
	return errors.New("no free block of ports between 20000 and 32000")
}

func listen(port int) (net.Listener, error) {
	return net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
}
