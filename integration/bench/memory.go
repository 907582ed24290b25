package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/calltap/calltap/integration/rabbit"
)

const (
	openCalls     = 100_000
	openCallChunk = 5_000 // two events each; the tap's queue holds 20,000
	never         = "7200000"
	mebibyte      = 1 << 20
)

// benchMemory measures what calltap holds at its worst: calls that nobody answers, and a Zipkin that
// takes nothing.
func benchMemory(ctx context.Context, r *rig) error {
	up, err := startUpstream()
	if err != nil {
		return err
	}
	defer up.close()
	bare, err := r.bareCaddy(ctx, up)
	if err != nil {
		return err
	}
	if err := r.openCallMemory(ctx, up, bare); err != nil {
		return err
	}
	return r.blackHoleMemory(ctx, up, bare)
}

// bareCaddy gives the peak memory of plain Caddy under the HTTP load that the subjects also get.
func (r *rig) bareCaddy(ctx context.Context, up *upstream) (float64, error) {
	x, err := r.startSubject(ctx, "memory-plain", up.addr(), smallRequest, siteConfig{})
	if err != nil {
		return 0, err
	}
	defer func() { x.load.close(); x.stop() }()
	x.thaw()
	if _, _, err := x.load.run(3 * time.Second); err != nil {
		return 0, err
	}
	peak := mib(x.peakRSS())
	r.board.add(figure{"memory", "plain Caddy under load, peak RSS", peak, "MiB", goal{}, "3 s of HTTP load"})
	return peak, nil
}

// openCallMemory leaves 100,000 RPC calls open on a real broker, with a Zipkin that refuses
// connections, and then fills the queue towards that Zipkin as well.
func (r *rig) openCallMemory(ctx context.Context, up *upstream, bare float64) error {
	node, err := r.startBroker()
	if errors.Is(err, rabbit.ErrNotInstalled) {
		r.board.remark("memory", "open calls left out: %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	defer node.Shutdown()
	dead, err := freePort()
	if err != nil {
		return err
	}
	statsd, err := startStatsdSink()
	if err != nil {
		return err
	}
	defer statsd.close()
	x, err := r.startSubject(ctx, "memory-tap", up.addr(), smallRequest,
		tapSite(fmt.Sprintf("http://127.0.0.1:%d/api/v2/spans", dead), statsd.addr(), tapOf(node.URL(), "firehose")))
	if err != nil {
		return err
	}
	defer func() { x.load.close(); x.stop() }()
	x.thaw()
	if err := awaitTap(ctx, node, 1); err != nil {
		return err
	}
	idle := mib(x.rss())
	took, err := r.leaveOpen(ctx, node, x)
	if err != nil {
		return err
	}
	page, err := x.status(ctx)
	if err != nil {
		return err
	}
	open, peak := mib(x.rss()), mib(x.peakRSS())
	note := fmt.Sprintf("%d open after %.0f s of publishing; idle %.0f, now %.0f, peak %.0f MiB", page.open(), took.Seconds(), idle, open, peak)
	r.board.add(figure{"memory", "100,000 open calls, peak RSS above plain Caddy", peak - bare, "MiB", goal{}, note})
	r.board.add(figure{"memory", "100,000 open calls, peak RSS above idle", peak - idle, "MiB", atMost(64, ""), note})
	r.board.add(figure{"memory", "an open call", (open - idle) * mebibyte / openCalls, "bytes", goal{}, "settled RSS above idle"})
	return r.fillQueue(ctx, x, bare, "open calls and dead Zipkin under load", 0)
}

// awaitTap waits until n consumers hang on the node; the feeder's own come later.
func awaitTap(ctx context.Context, node *rabbit.Node, n int) error {
	return until(ctx, 30*time.Second, "the tap to consume", func() bool {
		out, err := node.Run("list_consumers", "--no-table-headers", "queue_name")
		return err == nil && len(strings.Fields(out)) == n
	})
}

// leaveOpen publishes calls without their replies, no faster than the tap takes them.
func (r *rig) leaveOpen(ctx context.Context, node *rabbit.Node, x *subject) (time.Duration, error) {
	feed, err := startFeeder(node.URL())
	if err != nil {
		return 0, err
	}
	defer feed.close()
	call := feed.call()
	begin := time.Now()
	for n := range uint32(openCalls) {
		if err := feed.publish(ctx, call, call.stamp(n), never); err != nil {
			return 0, err
		}
		if (n+1)%openCallChunk != 0 {
			continue
		}
		if err := errors.Join(feed.settle(ctx), x.rest(ctx, 30*time.Second)); err != nil {
			return 0, err
		}
	}
	return time.Since(begin), nil
}

// blackHoleMemory sends HTTP load into a calltap whose Zipkin accepts connections and never answers.
func (r *rig) blackHoleMemory(ctx context.Context, up *upstream, bare float64) error {
	hole, err := startBlackHole()
	if err != nil {
		return err
	}
	defer hole.close()
	statsd, err := startStatsdSink()
	if err != nil {
		return err
	}
	defer statsd.close()
	x, err := r.startSubject(ctx, "memory-hole", up.addr(), smallRequest, calltapSite(hole.url("/api/v2/spans"), statsd.addr(), ""))
	if err != nil {
		return err
	}
	defer func() { x.load.close(); x.stop() }()
	x.thaw()
	return r.fillQueue(ctx, x, bare, "Zipkin black hole under load", x.requests)
}

// fillQueue loads the site until Zipkin's queue is full and for some time on, and then compares the
// books with the number of requests. exact is the number of requests that came before, 0 if other
// spans are in the books as well.
func (r *rig) fillQueue(ctx context.Context, x *subject, bare float64, what string, exact int64) error {
	const atMostSeconds, afterwards = 60, 4
	var full, seconds int
	var page status
	for ; seconds < atMostSeconds && full < afterwards; seconds++ {
		n, _, err := x.load.run(time.Second)
		if err != nil {
			return err
		}
		x.requests += int64(n)
		if page, err = x.status(ctx); err != nil {
			return err
		}
		if page.Pipeline.of("zipkin").droppedSum() > 0 {
			full++
		}
	}
	if err := x.rest(ctx, 20*time.Second); err != nil {
		return err
	}
	page, err := x.status(ctx)
	if err != nil {
		return err
	}
	z := page.Pipeline.of("zipkin")
	r.board.add(figure{"memory", what + ", peak RSS above plain Caddy", mib(x.peakRSS()) - bare, "MiB", goal{},
		fmt.Sprintf("%d s of load; now %.0f MiB; Zipkin's books: accepted %d, queued %d, dropped %v", seconds, mib(x.rss()), z.Accepted, z.Queued, z.Dropped)})
	lost := z.Accepted - z.Emitted - z.Queued - z.droppedSum()
	r.board.add(figure{"memory", what + ", spans missing in the books", float64(lost), "spans", atMost(0, ""), "accepted - emitted - queued - dropped"})
	if exact > 0 {
		r.board.add(figure{"memory", what + ", requests missing in the books", float64(x.requests - z.Accepted), "spans", atMost(0, ""),
			fmt.Sprintf("%d requests", x.requests)})
	}
	return nil
}

func mib(b int64) float64 { return float64(b) / mebibyte }
