package emit

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/calltap/calltap/span"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// probe is an emitter whose fate is in the test's hands.
type probe struct {
	name      string
	unsampled bool
	emit      func(ctx context.Context, batch []span.Span) Outcome // nil: all is well

	mu     sync.Mutex
	got    []span.Span
	calls  int
	busy   atomic.Int32
	closed atomic.Int32
}

func (p *probe) Name() string { return p.name }

func (p *probe) Unsampled() bool { return p.unsampled }

func (p *probe) Close() error { p.closed.Add(1); return nil }

func (p *probe) Emit(ctx context.Context, batch []span.Span) Outcome {
	if p.busy.Add(1) != 1 {
		panic("Emit called twice at a time")
	}
	defer p.busy.Add(-1)
	p.mu.Lock()
	p.calls++
	p.got = append(p.got, batch...)
	p.mu.Unlock()
	if p.emit != nil {
		return p.emit(ctx, batch)
	}
	return Outcome{Emitted: len(batch)}
}

func (p *probe) spans() []span.Span {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]span.Span(nil), p.got...)
}

func testSpan(n int) span.Span {
	return span.Span{
		TraceID: span.TraceID{High: 1, Low: uint64(n) + 1}, ID: span.ID(n + 1), Kind: span.KindServer,
		Sampled: true, Start: 1_790_000_000_000_000, Duration: int64(n), Name: "GET /", Key: "a.b",
		Tags: []span.Tag{{Key: "http.method", Value: "GET"}},
	}
}

func offerN(p *Pipeline, from, n int) {
	for i := from; i < from+n; i++ {
		s := testSpan(i)
		p.Offer(&s)
	}
}

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func over() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func accepted(st Status) (n []int64) {
	for _, a := range st.Emitters {
		n = append(n, a.Accepted)
	}
	return n
}

// mute implements nothing beyond Emitter.
type mute struct{ n atomic.Int64 }

func (*mute) Name() string { return "mute" }

func (*mute) Close() error { return nil }

func (m *mute) Emit(_ context.Context, b []span.Span) Outcome {
	m.n.Add(int64(len(b)))
	return Outcome{Emitted: len(b)}
}

// stuck returns an emitter that hangs, deaf to its context, until release is called.
func stuck(name string) (e *probe, entered <-chan struct{}, release func()) {
	in, out := make(chan struct{}, 1000), make(chan struct{})
	e = &probe{name: name, emit: func(_ context.Context, b []span.Span) Outcome {
		in <- struct{}{}
		<-out
		return Outcome{Emitted: len(b)}
	}}
	return e, in, sync.OnceFunc(func() { close(out) })
}

// troubled says itself what is wrong.
type troubled struct {
	probe
	err atomic.Pointer[error]
}

func (t *troubled) Trouble() error {
	if err := t.err.Load(); err != nil {
		return *err
	}
	return nil
}
