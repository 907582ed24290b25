package statsd

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// Config is what the operator writes.
type Config struct {
	// Address is HOST:PORT of the server, e.g. 127.0.0.1:8125. A name is resolved in the background.
	Address string `json:"address"`
	// Prefix stands in front of each name, with a dot between. Letters, digits, _, - and dots.
	Prefix string `json:"prefix,omitempty"`
	// MaxDatagram bounds a datagram in bytes. Default 1,432, which passes any Ethernet unfragmented,
	// and 8,192 if the server is on this machine.
	MaxDatagram int `json:"max_datagram,omitempty"`
	// ResolveInterval is how often a name is looked up again, in nanoseconds. Default 30 s.
	ResolveInterval time.Duration `json:"resolve_interval,omitempty"`
}

// Bounds of MaxDatagram: the longest metric must fit, and IPv4's UDP carries no more.
const (
	minDatagram = 512
	maxDatagram = 65_507
)

// Validate says what is wrong and how to write it right. It resolves nothing.
func (c Config) Validate() error {
	if c.Address == "" {
		return errors.New("statsd: no address: write e.g. 127.0.0.1:8125")
	}
	host, port, err := net.SplitHostPort(c.Address)
	if err != nil || host == "" {
		return fmt.Errorf("statsd: address %q is not HOST:PORT, e.g. 127.0.0.1:8125", c.Address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("statsd: %q in the address is not a port", port)
	}
	if c.Prefix != "" && !safeName(c.Prefix) {
		return fmt.Errorf("statsd: prefix %q may hold letters, digits, _, - and single dots between them only", c.Prefix)
	}
	if len(c.Prefix) > maxPrefix {
		return fmt.Errorf("statsd: the prefix is longer than %d bytes", maxPrefix)
	}
	if c.MaxDatagram != 0 && (c.MaxDatagram < minDatagram || c.MaxDatagram > maxDatagram) {
		return fmt.Errorf("statsd: max_datagram must lie between %d and %d", minDatagram, maxDatagram)
	}
	if c.ResolveInterval < 0 {
		return errors.New("statsd: resolve_interval is negative")
	}
	return nil
}
