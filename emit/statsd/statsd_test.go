package statsd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/calltap/calltap/emit"
	"github.com/calltap/calltap/span"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a StatsD as far as UDP goes: it keeps the datagrams.
type server struct {
	*net.UDPConn
	mu        sync.Mutex
	datagrams []string
}

func listen(t testing.TB, address string) *server {
	a, err := net.ResolveUDPAddr("udp", address)
	require.NoError(t, err)
	conn, err := net.ListenUDP("udp", a)
	require.NoError(t, err)
	_ = conn.SetReadBuffer(4 << 20)
	s := &server{UDPConn: conn}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 65536)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			s.mu.Lock()
			s.datagrams = append(s.datagrams, string(buf[:n]))
			s.mu.Unlock()
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return s
}

// lines waits until n lines have come and returns them sorted.
func (s *server) lines(t testing.TB, n int) []string {
	t.Helper()
	var got []string
	require.Eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		got = nil
		for _, d := range s.datagrams {
			got = append(got, strings.Split(d, "\n")...)
		}
		return len(got) >= n
	}, 10*time.Second, time.Millisecond, "want %d lines", n)
	require.Len(t, got, n)
	sort.Strings(got)
	return got
}

func emitter(t testing.TB, c Config) *Emitter {
	e, err := New(c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func testSpan(kind span.Kind, key string, micros int64) span.Span {
	return span.Span{TraceID: span.TraceID{Low: 1}, ID: 2, Start: 1_790_000_000_000_000, Kind: kind, Key: key, Duration: micros}
}

func TestSpansBecomeTachsMetrics(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	e := emitter(t, Config{Address: s.LocalAddr().String(), Prefix: "openstack"})

	server := testSpan(span.KindServer, "nova.compute.build_and_run_instance", 12_345)
	server.Echo = true // the client's span counts
	server.Error = "MessagingTimeout"
	server.Timers = []span.Timer{{Name: "queue_wait", Micros: 1500}, {Name: "reply_wait", Micros: 0}, {Name: "broken", Micros: -1}}
	client := testSpan(span.KindClient, "nova.compute.build_and_run_instance", 20_000)
	client.Error = "MessagingTimeout"
	producer := testSpan(span.KindProducer, "nova.scheduler.cast", 0)
	producer.Notes = []span.Note{{Time: 1, Value: "sent"}}
	consumer := testSpan(span.KindConsumer, "nova.scheduler.cast", 7)
	consumer.Notes = []span.Note{{Time: 1, Value: "received"}}
	consumer.Echo = true
	local := testSpan(span.KindNone, "a", 1_000_000)
	keyless := testSpan(span.KindServer, "", 5)

	batch := []span.Span{server, client, producer, producer, consumer, local, keyless}
	require.Equal(t, emit.Outcome{Emitted: 7}, e.Emit(soon(t), batch))
	require.Equal(t, []string{
		"openstack.a.calls:1|c",
		"openstack.a:1000|ms",
		"openstack.nova.compute.build_and_run_instance.calls:1|c",
		"openstack.nova.compute.build_and_run_instance.error:1|c",
		"openstack.nova.compute.build_and_run_instance.queue_wait:1.5|ms",
		"openstack.nova.compute.build_and_run_instance.reply_wait:0|ms",
		"openstack.nova.compute.build_and_run_instance.total:20|ms",
		"openstack.nova.compute.build_and_run_instance:12.345|ms",
		"openstack.nova.scheduler.cast.calls:2|c",
		"openstack.nova.scheduler.cast.received:1|c",
		"openstack.nova.scheduler.cast.sent:2|c",
		"openstack.nova.scheduler.cast:0.007|ms",
	}, s.lines(t, 12))
}

// The sides of a call have one key: what happened once must not count twice, and what one side alone shows must count.
func TestACallCountsOnce(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	e := emitter(t, Config{Address: s.LocalAddr().String()})
	client, server := testSpan(span.KindClient, "k", 0), testSpan(span.KindServer, "k", 0)
	orphan := server // its publish was not seen
	server.Echo = true
	server.Notes = []span.Note{{Time: 1, Value: "redelivered"}, {Time: 2, Value: "late"}}
	late, lost := client, client
	late.Error, lost.Error = "timeout", "unroutable"
	e.Emit(soon(t), []span.Span{client, server, orphan, late, server, lost})
	require.Equal(t, []string{
		"k.calls:4|c", "k.error:2|c", "k.late:2|c", "k.redelivered:2|c", "k.timeout:1|c", "k.unroutable:1|c",
	}, s.lines(t, 6))
}

func TestCountersAreDeltasNotTotals(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	e := emitter(t, Config{Address: s.LocalAddr().String()})
	failed := testSpan(span.KindServer, "k", 0)
	failed.Error = "500"
	for range 3 {
		e.Emit(soon(t), []span.Span{failed, failed})
	}
	require.Equal(t, []string{
		"k.calls:2|c", "k.calls:2|c", "k.calls:2|c", "k.error:2|c", "k.error:2|c", "k.error:2|c",
	}, s.lines(t, 6))
}

func TestInjectionIsImpossible(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	e := emitter(t, Config{Address: s.LocalAddr().String(), Prefix: "p"})
	evil := []string{
		"a:1|c\nevil", "evil:1|c", "a|b@c#d", "a\x00b", "a b", "é", "\xff\xfe", strings.Repeat("x", 10<<10),
		"\n", ":", "..", "a\r\nevil:1|ms", "%n%s", "a/b\\c", "{id}", "\u2028evil:1|c",
	}
	var batch []span.Span
	for _, in := range evil {
		one := testSpan(span.KindServer, in, 5)
		one.Timers = []span.Timer{{Name: in, Micros: 1}}
		one.Notes = []span.Note{{Time: 1, Value: in}}
		one.Error = in
		batch = append(batch, one)
	}
	require.Equal(t, len(evil), e.Emit(soon(t), batch).Emitted)
	// Per span: its length, a timer, a note, an error. Some names become equal, so counters merge.
	require.Eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return strings.Count(strings.Join(s.datagrams, "\n"), "|ms") == 2*len(evil)
	}, 10*time.Second, time.Millisecond)
	for _, d := range s.datagrams {
		for _, line := range strings.Split(d, "\n") {
			require.Regexp(t, `^p\.[A-Za-z0-9_.-]+:[0-9.]+\|(ms|c)$`, line)
			require.False(t, strings.HasPrefix(line, "evil"))
			require.Less(t, len(line), minDatagram)
		}
	}
}

func FuzzNames(f *testing.F) {
	f.Add("nova.api.servers.GET", "sent", "p")
	f.Add("a:1|c\nevil", "x:1|c", "a.b")
	f.Fuzz(func(t *testing.T, key, suffix, prefix string) {
		got := string(appendName(nil, key, suffix))
		require.LessOrEqual(t, len(got), maxKey+1+maxSegment)
		for _, c := range []byte(got) {
			require.True(t, nameByte[c] || c == '.', "%q became %q", key, got)
		}
		if safeName(key) && len(key) <= maxKey && suffix == "" {
			require.Equal(t, key, got, "a good key stays as it is")
		}
		if (Config{Address: "127.0.0.1:1", Prefix: prefix}).Validate() == nil && prefix != "" {
			require.NotContains(t, prefix, ":")
			require.NotContains(t, prefix, "\n")
			require.True(t, safeName(prefix))
		}
	})
}

func TestDatagramsAreBounded(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	for limit, bound := range map[int]int{0: localDatagram, 512: 512, 1432: 1432} {
		e := emitter(t, Config{Address: s.LocalAddr().String(), MaxDatagram: limit})
		var batch []span.Span
		for i := range 200 {
			batch = append(batch, testSpan(span.KindServer, fmt.Sprintf("key%03d", i), 5))
		}
		require.Equal(t, 200, e.Emit(soon(t), batch).Emitted)
		require.Equal(t, "key199:0.005|ms", s.lines(t, 400)[399])
		s.mu.Lock()
		for _, d := range s.datagrams {
			require.LessOrEqual(t, len(d), bound)
		}
		if limit == 0 {
			require.Len(t, s.datagrams, 1, "one datagram is enough on one machine")
		}
		s.datagrams = nil
		s.mu.Unlock()
	}
}

func TestDeadPortIsToldOneDatagramLate(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	address := s.LocalAddr().String()
	require.NoError(t, s.Close())
	e := emitter(t, Config{Address: address})

	batch := []span.Span{testSpan(span.KindServer, "k", 5), testSpan(span.KindServer, "k", 5)}
	require.Equal(t, 2, e.Emit(soon(t), batch).Emitted, "nobody can know yet")
	out := e.Emit(soon(t), batch)
	require.Equal(t, map[string]int{DroppedRefused: 2}, out.Dropped)
	require.Zero(t, out.Emitted)
	require.ErrorContains(t, out.Err, "nobody listens")

	back := listen(t, address)
	e.Emit(soon(t), batch)
	require.Equal(t, emit.Outcome{Emitted: 2}, e.Emit(soon(t), batch))
	require.Equal(t, "k:0.005|ms", back.lines(t, 6)[2])
}

// nameserver answers for the resolver.
type nameserver struct {
	calls  atomic.Int64
	answer atomic.Value // []netip.Addr
}

func (n *nameserver) lookup(context.Context, string) ([]netip.Addr, error) {
	n.calls.Add(1)
	ips := n.answer.Load().([]netip.Addr)
	if ips == nil {
		return nil, errors.New("no such host")
	}
	return ips, nil
}

func TestServerWithoutAddressIsNeverFeltAndFoundLater(t *testing.T) {
	s := listen(t, "127.0.0.2:0")
	dns := &nameserver{}
	dns.answer.Store([]netip.Addr(nil))
	e, err := New(Config{Address: fmt.Sprintf("statsd.example:%d", s.LocalAddr().(*net.UDPAddr).Port), ResolveInterval: 5 * time.Millisecond})
	require.NoError(t, err)
	e.resolver.lookup = dns.lookup
	p := emit.New(emit.Options{Interval: time.Millisecond}, e)

	one := testSpan(span.KindServer, "k", 5)
	p.Offer(&one)
	require.NoError(t, p.Flush(soon(t)))
	st := p.Status().Emitters[0]
	require.Equal(t, map[string]int64{DroppedUnresolved: 1}, st.Dropped)
	require.Contains(t, st.LastErr, "no such host")

	dns.answer.Store([]netip.Addr{netip.MustParseAddr("127.0.0.2")})
	require.Eventually(t, func() bool {
		p.Offer(&one)
		return p.Flush(soon(t)) == nil && p.Status().Emitted > 0
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, p.Close(soon(t)))
	require.NotEmpty(t, s.lines(t, 2*int(p.Status().Emitted)))
}

func TestServerThatMovesIsFollowed(t *testing.T) {
	first := listen(t, "127.0.0.2:0")
	port := first.LocalAddr().(*net.UDPAddr).Port
	second := listen(t, fmt.Sprintf("127.0.0.3:%d", port))
	dns := &nameserver{}
	at := func(ips ...string) {
		var answer []netip.Addr
		for _, ip := range ips {
			answer = append(answer, netip.MustParseAddr(ip))
		}
		before := dns.calls.Load()
		dns.answer.Store(answer)
		if before > 0 {
			require.Eventually(t, func() bool { return dns.calls.Load() >= before+3 }, 10*time.Second, time.Millisecond)
		}
	}
	e := emitter(t, Config{Address: fmt.Sprintf("statsd.example:%d", port), ResolveInterval: time.Millisecond})
	e.resolver.lookup = dns.lookup
	batch := []span.Span{testSpan(span.KindServer, "k", 5)}

	at("127.0.0.2")
	require.Equal(t, 1, e.Emit(soon(t), batch).Emitted)
	at("127.0.0.3", "127.0.0.2") // still there, in another order: stay
	require.Equal(t, 1, e.Emit(soon(t), batch).Emitted)
	first.lines(t, 4)
	at("127.0.0.3")
	require.Equal(t, 1, e.Emit(soon(t), batch).Emitted)
	second.lines(t, 2)
	at() // name servers gone: go on where it was
	require.Equal(t, 1, e.Emit(soon(t), batch).Emitted)
	second.lines(t, 4)
}

func TestHangingNameServerDoesNotHangClose(t *testing.T) {
	e, err := New(Config{Address: "statsd.example:8125"})
	require.NoError(t, err)
	e.resolver.lookup = func(ctx context.Context, _ string) ([]netip.Addr, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	p := emit.New(emit.Options{}, e)
	one := testSpan(span.KindServer, "k", 5)
	p.Offer(&one)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	require.Error(t, p.Close(ctx))
	require.Equal(t, map[string]int64{emit.DroppedShutdown: 1}, p.Status().Dropped)
}

func TestNothingIsSentBeforeTheFirstBatch(t *testing.T) {
	e, err := New(Config{Address: "statsd.example:8125"})
	require.NoError(t, err)
	e.resolver.lookup = func(context.Context, string) ([]netip.Addr, error) {
		t.Error("looked up")
		return nil, nil
	}
	require.NoError(t, e.Close())
	require.NoError(t, e.Close(), "a second Close")
}

func TestWrongConfigIsTold(t *testing.T) {
	good := Config{Address: "127.0.0.1:8125", Prefix: "a.b-c_D9"}
	require.NoError(t, good.Validate())
	require.NoError(t, Config{Address: "[::1]:8125"}.Validate())
	for want, spoil := range map[string]func(*Config){
		"no address":     func(c *Config) { c.Address = "" },
		"not HOST:PORT":  func(c *Config) { c.Address = "localhost" },
		"not a port":     func(c *Config) { c.Address = "localhost:0" },
		"prefix \"a:b\"": func(c *Config) { c.Prefix = "a:b" },
		"prefix \"a.\"":  func(c *Config) { c.Prefix = "a." },
		"longer than":    func(c *Config) { c.Prefix = strings.Repeat("a", maxPrefix+1) },
		"max_datagram":   func(c *Config) { c.MaxDatagram = 100 },
		"negative":       func(c *Config) { c.ResolveInterval = -1 },
	} {
		c := good
		spoil(&c)
		require.ErrorContains(t, c.Validate(), want)
		_, err := New(c)
		require.Error(t, err)
	}
}

// BenchmarkSpan is the whole price of a span: a timer line, a note and an error, formatted by the
// client, packed and sent to a socket that is there.
func BenchmarkSpan(b *testing.B) {
	s := listen(b, "127.0.0.1:0")
	e := emitter(b, Config{Address: s.LocalAddr().String(), Prefix: "openstack"})
	batch := make([]span.Span, 1000)
	for i := range batch {
		batch[i] = testSpan(span.KindServer, "nova.api.servers.show.GET", int64(12_345+i))
		batch[i].Notes = []span.Note{{Time: 1, Value: "wr"}}
		batch[i].Error = "500"
	}
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		e.Emit(ctx, batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(batch)), "ns/span")
}
