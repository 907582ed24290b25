// Package ports gives the programs under test their ports on the loopback.
package ports

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// They lie below the kernel's range for outgoing connections: a port from within that may be taken by any client between
// the check and its use.
const first, last, blockSize = 10_000, 32_000, 100

// block is a hundred ports that this process alone gives away, by listening at the first of them for as long as it runs. A program takes
// its time until it listens, and other packages' tests start theirs meanwhile.
var block struct {
	sync.Mutex
	held []net.Listener // which the kernel closes
	next int
	end  int
}

// Free gives n ports away that are free for both TCP and UDP, none of them twice.
func Free(n int) ([]int, error) {
	block.Lock()
	defer block.Unlock()
	var given []int
	for len(given) < n {
		if block.next == block.end {
			if err := holdBlock(); err != nil {
				return nil, err
			}
		}
		if free(block.next) {
			given = append(given, block.next)
		}
		block.next++
	}
	return given, nil
}

func holdBlock() error {
	for range 1000 {
		begin := first + blockSize*rand.IntN((last-first)/blockSize)
		if l, err := net.Listen("tcp", address(begin)); err == nil {
			block.held = append(block.held, l)
			block.next, block.end = begin+1, begin+blockSize
			return nil
		}
	}
	return errors.New("no free block of ports between 10000 and 32000")
}

func free(port int) bool {
	tcp, err := net.Listen("tcp", address(port))
	if err != nil {
		return false
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", address(port))
	if err != nil {
		return false
	}
	return udp.Close() == nil
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
