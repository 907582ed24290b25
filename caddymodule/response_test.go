package caddymodule

import (
	"net/http"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/emit"
	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/span"
	"github.com/calltap/calltap/spanbuilder"
)

const answeredID = "req-2fd3ca12-3614-4ec4-b352-4cb29af2a4d5"

// answering sends a request through a handler whose service sends one cast that tells nothing but its request id, and then
// answers with those headers. It returns the spans.
func answering(t *testing.T, link spanbuilder.Link, header ...string) map[span.Kind]span.Span {
	t.Helper()
	c := &capture{}
	pipeline := emit.New(emit.Options{}, c)
	st := testState(t, pipeline, keyrules.Config{}, link)
	h := newHandler(t, "nova-api", st)
	tap := spanbuilder.NewPairer(spanbuilder.PairerOptions{})
	now := time.Now().UnixMicro()
	w := &nullWriter{header: http.Header{}}
	err := h.ServeHTTP(w, caddyRequest(request1(near), w), caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		tap.Observe(st.tracer, &spanbuilder.Message{
			Time: now, Point: spanbuilder.Published, Form: spanbuilder.FormCast, Exchange: "nova", Topic: "conductor",
			Method: "build", ID: "3e3a71f2c8d84d9e9f1b", RequestID: answeredID, UserID: "somebody",
		})
		for i := 0; i < len(header); i += 2 {
			w.Header().Add(header[i], header[i+1])
		}
		w.WriteHeader(http.StatusAccepted)
		return nil
	}))
	require.NoError(t, err)
	tap.Advance(st.tracer, now+int64(3*time.Second/time.Microsecond))
	require.Zero(t, tap.Stats().Held)
	require.NoError(t, pipeline.Close(t.Context()))
	require.Len(t, c.spans, 2)
	require.Zero(t, st.faults.Load())
	return map[span.Kind]span.Span{c.spans[0].Kind: c.spans[0], c.spans[1].Kind: c.spans[1]}
}

func TestRPCSentBeforeTheResponseJoinsItsRequestByTheResponsesID(t *testing.T) {
	for name, header := range map[string][]string{
		"nova":          {"x-compute-request-id", answeredID, "x-openstack-request-id", answeredID},
		"its own first": {"X-Compute-Request-Id", answeredID, "X-OpenStack-Request-ID", "req-00000000-0000-4000-8000-000000000001"},
		"other service": {"X-OpenStack-Request-ID", answeredID},
	} {
		t.Run(name, func(t *testing.T) {
			got := answering(t, spanbuilder.LinkOpenStack, header...)
			http, sent := got[span.KindServer], got[span.KindProducer]
			require.Equal(t, http.TraceID, sent.TraceID)
			require.Equal(t, http.ID, sent.Parent)
			require.Equal(t, "nova-api", sent.Local.Service)
		})
	}
}

func TestAResponseJoinsNothingByWhatIsNoSingleID(t *testing.T) {
	for name, header := range map[string][]string{
		"none":      {},
		"ill-form":  {"X-Compute-Request-Id", "req-2fd3ca12"},
		"two":       {"X-Compute-Request-Id", answeredID, "X-Compute-Request-Id", "req-00000000-0000-4000-8000-000000000001"},
		"another's": {"X-OpenStack-Request-ID", "req-00000000-0000-4000-8000-000000000001"},
	} {
		t.Run(name, func(t *testing.T) {
			got := answering(t, spanbuilder.LinkOpenStack, header...)
			require.NotEqual(t, got[span.KindServer].TraceID, got[span.KindProducer].TraceID)
		})
	}
	got := answering(t, spanbuilder.LinkNone, "X-Compute-Request-Id", answeredID)
	require.NotEqual(t, got[span.KindServer].TraceID, got[span.KindProducer].TraceID, "nobody said that this is OpenStack")
}

func TestLinkingTheResponseDoesNotAllocate(t *testing.T) {
	st := testState(t, emit.New(emit.Options{}, discard{}), keyrules.Config{}, spanbuilder.LinkOpenStack)
	t.Cleanup(func() { require.NoError(t, st.pipeline.Close(t.Context())) })
	for _, header := range []http.Header{{}, {"X-Compute-Request-Id": {answeredID}}} {
		w := &nullWriter{header: header}
		var q request
		require.True(t, q.startRequest(newHandler(t, "nova-api", st), w, caddyRequest(request1(near), w), nil))
		require.Zero(t, testing.AllocsPerRun(100, q.linkResponse))
	}
}
