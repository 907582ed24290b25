package statsd

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// resolver keeps a socket connected to where the server's name points now. It works in the background
// from the first batch on; the emitter only ever asks for the current socket.
type resolver struct {
	host     string
	port     string
	interval time.Duration // between look-ups that succeed
	lookup   func(ctx context.Context, host string) ([]netip.Addr, error)

	start  sync.Once
	cancel context.CancelFunc
	ended  chan struct{}
	first  chan struct{} // closed after the first attempt

	mu   sync.Mutex
	conn *net.UDPConn // nil: no address is known
	old  *net.UDPConn // the one before, which the emitter may be using still
	to   netip.AddrPort
	err  error
}

const (
	lookupTimeout = 5 * time.Second
	firstPause    = time.Second // after a look-up that fails; doubles up to interval
)

func newResolver(address string, interval time.Duration) *resolver {
	host, port, _ := net.SplitHostPort(address) // valid: Config.Validate has seen it
	return &resolver{
		host:     host,
		port:     port,
		interval: interval,
		lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
		ended: make(chan struct{}),
		first: make(chan struct{}),
	}
}

// socket returns the socket to use, or why there is none. The first call waits for the first look-up,
// so that the first spans are not lost to a name server that takes its time.
func (r *resolver) socket(ctx context.Context) (*net.UDPConn, error) {
	r.start.Do(r.run)
	select {
	case <-r.first:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closeOld()
	return r.conn, r.err
}

// closeOld closes a socket that was replaced. Only the emitter asks for it, between two batches.
func (r *resolver) closeOld() {
	if r.old != nil {
		_ = r.old.Close()
		r.old = nil
	}
}

// run starts the goroutine; an address that is no name needs none.
func (r *resolver) run() {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	if _, err := netip.ParseAddr(r.host); err == nil {
		r.resolve(ctx)
		close(r.first)
		close(r.ended)
		return
	}
	go r.loop(ctx)
}

func (r *resolver) loop(ctx context.Context) {
	defer close(r.ended)
	pause := firstPause
	for first := true; ; first = false {
		if r.resolve(ctx) {
			pause = firstPause
		} else {
			pause = min(2*pause, r.interval)
		}
		if first {
			close(r.first)
		}
		wait := r.interval
		if pause != firstPause {
			wait = pause
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// resolve looks the name up and, if it points elsewhere than before, connects a new socket. While a
// name cannot be looked up its last address goes on being used: name servers fail more often than
// StatsD servers move.
func (r *resolver) resolve(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	to, err := r.address(ctx)

	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil && to == r.to {
		r.err = nil
		return true
	}
	var conn *net.UDPConn
	if err == nil {
		conn, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	}
	if err != nil {
		if r.conn == nil {
			r.err = fmt.Errorf("statsd: no way to %s: %w", r.host, err)
		}
		return false
	}
	if r.old != nil { // replaced twice within one batch
		_ = conn.Close()
		return true
	}
	r.old, r.conn, r.to, r.err = r.conn, conn, to, nil
	return true
}

// address is where the name points. If that has several addresses, the one in use is kept as long as
// it is among them, so that metrics do not wander between servers with every look-up.
func (r *resolver) address(ctx context.Context) (netip.AddrPort, error) {
	port, err := net.DefaultResolver.LookupPort(ctx, "udp", r.port)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if ip, err := netip.ParseAddr(r.host); err == nil {
		return netip.AddrPortFrom(ip, uint16(port)), nil
	}
	ips, err := r.lookup(ctx, r.host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if len(ips) == 0 {
		return netip.AddrPort{}, fmt.Errorf("%s has no address", r.host)
	}
	best := ips[0]
	for _, ip := range ips {
		if ip == r.to.Addr() {
			best = ip
		}
	}
	return netip.AddrPortFrom(best, uint16(port)), nil
}

// close stops the goroutine and closes the socket.
func (r *resolver) close() error {
	r.start.Do(func() { // nothing was ever sent
		r.cancel = func() {}
		close(r.first)
		close(r.ended)
	})
	r.cancel()
	<-r.ended
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closeOld()
	if r.conn == nil {
		return nil
	}
	err := r.conn.Close()
	r.conn = nil
	return err
}
