package main

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/calltap/calltap/integration/harness"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// boot is the trace of a small boot, whole.
func boot() trace {
	server := harness.Endpoint{ServiceName: "nova-api"}
	return trace{
		{ID: "1", Kind: "SERVER", Name: "post /v2.1/servers", Local: server, Tags: map[string]string{"http.method": "POST"}},
		{ID: "2", ParentID: "1", Kind: "PRODUCER", Name: build, Local: harness.Endpoint{ServiceName: "nova-conductor"}},
		{ID: "3", ParentID: "2", Kind: "CONSUMER", Name: build, Local: harness.Endpoint{ServiceName: "nova-compute"}},
		{ID: "4", ParentID: "3", Kind: "CLIENT", Name: "instance.save", Local: harness.Endpoint{ServiceName: "nova-compute"}},
		{ID: "5", ParentID: "4", Kind: "SERVER", Name: "instance.save", Local: harness.Endpoint{ServiceName: "nova-conductor"}},
	}
}

// A check that passes whatever it is shown is worse than none.
func TestABrokenTraceIsToldFromAWholeOne(t *testing.T) {
	whole := boot()
	_, err := whole.root()
	require.NoError(t, err)
	require.NoError(t, whole.received())
	work, err := whole.find("CONSUMER", build)
	require.NoError(t, err)
	require.NoError(t, whole.below(work, "nova-compute"))

	loose := boot()
	loose[3].ParentID = "9"
	_, err = loose.root()
	require.ErrorContains(t, err, "hangs loose")

	split := boot()
	split[1].ParentID = ""
	_, err = split.root()
	require.ErrorContains(t, err, "2 roots")

	lost := boot()[:4]
	require.ErrorContains(t, lost.received(), "nobody received instance.save")

	astray := boot()
	astray[3].ParentID = "1"
	require.ErrorContains(t, astray.below(work, "nova-compute"), "not below")

	_, err = append(boot(), boot()...).find("CONSUMER", build)
	require.ErrorContains(t, err, "2 spans")
}

func TestWhatIsMissingAndWhatIsTooMuchIsNamed(t *testing.T) {
	require.NoError(t, differ("RPC", []string{"a", "b", "a"}, []string{"a", "a", "b"}))
	require.EqualError(t, differ("RPC", []string{"a", "c"}, []string{"a", "a", "b"}),
		"RPC: 1 × a missing, 1 × b missing, 1 × c too many")
	require.Error(t, covers([]string{"glance"}, []string{"glance", "placement"}))
}

func TestIDsAndTracesNameEachOther(t *testing.T) {
	id := newRequestID()
	require.Len(t, traceIDOf(id), 32)
	require.Equal(t, id, requestIDOf(traceIDOf(id)))
}

func TestTheWitnessKnowsWhoseRequestItSaw(t *testing.T) {
	w := new(witness)
	for _, body := range []string{
		`{"oslo.message": "{\"method\": \"object_action\", \"_context_request_id\": \"req-1\", \"args\": {\"objinst\": {\"nova_object.name\": \"Instance\"}, \"objmethod\": \"save\"}}"}`,
		`{"oslo.message": "{\"method\": \"object_class_action_versions\", \"_context_global_request_id\": \"req-1\", \"args\": {\"objname\": \"Service\", \"objmethod\": \"get\"}}"}`,
		`{"oslo.message": "{\"method\": \"ping\", \"_context_request_id\": \"req-2\"}"}`,
		`{"oslo.message": "{\"result\": null, \"_msg_id\": \"1\"}"}`, // a reply
		`{"oslo.message": 7}`, `no JSON`, ``,
	} {
		w.take([]byte(body))
	}
	require.Equal(t, []string{"Instance.save", "Service.get"}, w.of("req-1"))
	require.Equal(t, []string{"ping"}, w.of("req-2"))
}

func TestABuildsLengthIsNovasOwn(t *testing.T) {
	length, err := event{Start: "2026-11-20T21:14:53.250000", Finish: "2026-11-20T21:14:54.000001"}.length()
	require.NoError(t, err)
	require.Equal(t, "750.001ms", length.String())
	_, err = event{Start: "2026-11-20T21:14:53.250000"}.length()
	require.Error(t, err)
}

// What kept a connection to the old place would be measured as if it went to the new one.
func TestADetourCutsWhatItLedElsewhere(t *testing.T) {
	first, second := echo(t, "first"), echo(t, "second")
	d, err := startDetour(first)
	require.NoError(t, err)
	defer d.close()

	old, err := net.Dial("tcp", d.addr())
	require.NoError(t, err)
	defer old.Close()
	require.Equal(t, "first", readSome(t, old))

	d.lead(second)
	_, err = old.Read(make([]byte, 1))
	require.Error(t, err)
	fresh, err := net.Dial("tcp", d.addr())
	require.NoError(t, err)
	require.Equal(t, "second", readSome(t, fresh))
	require.NoError(t, fresh.Close())
}

// echo is a server that says its name to whoever connects, and then waits for them to go.
func echo(t *testing.T, name string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, name)
			_, _ = io.Copy(io.Discard, conn)
			conn.Close()
		}
	}()
	return l.Addr().String()
}

func readSome(t *testing.T, conn net.Conn) string {
	buf := make([]byte, 16)
	n, err := conn.Read(buf)
	require.NoError(t, err)
	return string(buf[:n])
}

func TestTheExampleCanBeMadeToHideIDs(t *testing.T) {
	caddyfile, err := example()
	require.NoError(t, err)
	require.NotEqual(t, caddyfile, withoutIDs(caddyfile))
}
