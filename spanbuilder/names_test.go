package spanbuilder

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/span"
)

// Where programs have names, each process has its own on both ends of all its messages.
func TestAProcessHasOneNameInATrace(t *testing.T) {
	service := func(process string) string { s, _, _ := strings.Cut(process, ":"); return s }
	for _, name := range captured {
		messages, facts := capture(t, name), truth(t, name)
		got, _ := replay(t, newTracer(t, nil), PairerOptions{Identify: identified(messages, facts)}, messages)
		sent := map[int64]fact{}
		for _, f := range facts {
			sent[f.published] = f
		}
		ids := got.byID()
		for _, s := range got {
			switch s.Kind {
			case span.KindClient, span.KindProducer:
				require.Equal(t, service(sent[s.Start].sender), s.Local.Service, "%s: %s", name, tag(s, "rpc.method"))
			default:
				f := sent[ids[s.Parent].Start]
				require.Equal(t, service(f.receiver), s.Local.Service, "%s: %s", name, f.method)
				require.Equal(t, service(f.sender), s.Remote.Service, "%s: %s", name, f.method)
			}
			if s.Kind == span.KindClient {
				require.Equal(t, service(sent[s.Start].receiver), s.Remote.Service)
			}
		}
	}
}

// A rule may name the work and not the program. Then all that comes out of that work is called so too.
func TestWhatARuleNamesCallsByThatName(t *testing.T) {
	rules, err := keyrules.Compile(keyrules.Config{Rules: []keyrules.Rule{
		{Kind: "rpc", RPCMethod: "build_and_run_instance", Service: "rpc{rpc.method}", Key: "k"},
	}})
	require.NoError(t, err)
	messages, facts := capture(t, "boot1"), truth(t, "boot1")
	for _, o := range []PairerOptions{{}, {Identify: identified(messages, facts)}} {
		tracer := newTracer(t, nil)
		tracer.Rules = rules
		got, _ := replay(t, tracer, o, messages)
		built := got.one(t, span.KindConsumer, "build_and_run_instance")
		require.Equal(t, "rpcbuild_and_run_instance", built.Local.Service)
		require.Equal(t, built.Local.Service, got.one(t, span.KindProducer, "build_and_run_instance").Remote.Service)
		n := 0
		for _, s := range got {
			if s.Parent == built.ID {
				n++
				require.Equal(t, built.Local.Service, s.Local.Service)
			}
		}
		require.Equal(t, 13, n)
	}
}

func TestNamesThatSayNothingAreNoServices(t *testing.T) {
	in := call4(callID)
	for program, want := range map[string]string{
		"nova-compute": "nova-compute", "uwsgi": "compute", "": "compute", "Python3.11": "compute", "java": "compute",
	} {
		got, _ := replay(t, newTracer(t, nil), PairerOptions{Identify: func(connection string) Identity {
			return Identity{Service: program}
		}}, in)
		require.Equal(t, want, got.one(t, span.KindServer, "").Local.Service, program)
	}
}

func TestAReceiverWithoutATopicIsNamedForItsQueue(t *testing.T) {
	in := call4(callID)
	for i := range in {
		in[i].Topic, in[i].Exchange = "", ""
	}
	got, _ := observed(t, in...)
	require.Equal(t, "compute.host1", got.one(t, span.KindServer, "").Local.Service)
	require.Equal(t, "compute.host1", got.one(t, span.KindClient, "").Remote.Service)
	require.Equal(t, "rpc", got.one(t, span.KindClient, "").Local.Service)
}

// What tells a connection's process may not know it yet, and is not to be asked at each message.
func TestIdentifyIsAskedUntilItKnowsAndNotMoreThanOnceASecond(t *testing.T) {
	asked := map[string]int{}
	knows := false
	o := PairerOptions{Identify: func(connection string) Identity {
		asked[connection]++
		if !knows {
			return Identity{}
		}
		return Identity{Process: "p of " + connection, Service: "nova-compute"}
	}}
	tracer, p := newTracer(t, &nothing{}), NewPairer(o)
	observe := func(at int64) {
		m := call4(callID)[0]
		m.Form, m.Time, m.ID = FormCast, at, callID[:20]+strings.Repeat("x", int(at-t0)%7)
		p.Observe(tracer, &m)
	}
	for i := range int64(10) {
		observe(t0 + i*100_000)
	}
	require.Equal(t, 1, asked["caller out"])
	observe(t0 + 1_000_000)
	require.Equal(t, 2, asked["caller out"])
	knows = true
	observe(t0 + 2_000_000)
	for i := range int64(10) {
		observe(t0 + 3_000_000 + i*1_000_000)
	}
	require.Equal(t, 3, asked["caller out"])
	observe(t0 + 13_000_000 + recently)
	require.Equal(t, 4, asked["caller out"], "a port that was silent for so long may be another's")
}

// A port that soon is another process's: what was learned of the first is not said of the second.
func TestAConnectionOfAnotherNameIsAnotherProcess(t *testing.T) {
	s, count := newProcesses(100)
	who := Identity{Process: "one", Service: "nova-compute"}
	s.identify = func(string) Identity { return who }
	first := s.connection("127.0.0.1:5", t0)
	require.Equal(t, same, s.relation(first, s.connection("127.0.0.1:6", t0)))
	later := t0 + 2*recently
	who = Identity{Process: "two", Service: "nova-conductor"}
	second := s.connection("127.0.0.1:5", later)
	require.Equal(t, different, s.relation(first, second))
	require.Equal(t, "nova-compute", s.label(first))
	require.Equal(t, "nova-conductor", s.label(second))
	require.EqualValues(t, 1, count.conflicts.Load())

	before := len(s.nodes)
	for range 10 {
		second = s.join(second, s.connection("127.0.0.1:6", t0), later) // a message that seems to say otherwise
	}
	require.Equal(t, different, s.relation(first, second), "names are better evidence")
	require.Len(t, s.nodes, before)
}
