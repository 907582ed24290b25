package twins

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/openzipkin/zipkin-go/model"
	"github.com/stretchr/testify/require"
)

// A WebSocket over HTTP/2 is a stream of its connection, and nothing is hijacked; its span lasts as long and says so. Here, since
// Go's HTTP/2 offers it in no other test's process.
func TestAWebSocketOverHTTP2HasASpanOfItsLife(t *testing.T) {
	spans := make(chan model.SpanModel, 10)
	zipkin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var batch []model.SpanModel
		_ = json.NewDecoder(r.Body).Decode(&batch)
		for _, s := range batch {
			spans <- s
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(zipkin.Close)
	traced := &site{name: "traced", directives: "calltap"}
	clients := newClients(open(t, "zipkin "+zipkin.URL+"/api/v2/spans", []*site{traced}))
	defer clients.close()
	x := newExchange(&shape{
		proto: "h2", method: http.MethodConnect, tunnel: "websocket", route: "proxy", target: "/proxy/chat",
		body:   body{pieces: []string{"one\n", "bye\n"}, chunked: true, turns: true},
		script: []step{{do: "hijack", n: 1, text: switching("websocket")}},
	}, "span")
	require.Contains(t, clients.send(x, traced), `"echo one\n"`)
	require.Contains(t, x.end(), `the connection ended true "bye\n"`)
	select {
	case s := <-spans:
		require.Equal(t, "200", s.Tags["http.status_code"])
		require.NotContains(t, s.Tags, "error")
		require.Len(t, s.Annotations, 2)
		require.Equal(t, [2]string{"upgraded", "closed"}, [2]string{s.Annotations[0].Value, s.Annotations[1].Value})
		require.Equal(t, [2]string{"8", "9"}, [2]string{s.Tags["http.request.size"], s.Tags["http.response.size"]})
	case <-time.After(patience):
		t.Fatal("there is no span")
	}
}
