package integration

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/rabbit"
)

func TestJSONRPCOverRabbitMQ(t *testing.T) {
	l := ownVHost(t, rabbit.Tap)
	c := startTapped(t, l, dialectCaddyfile)
	queue := service(t)
	serve(t, "json_rpc.py", "server", l.url(), queue)
	for _, shape := range []struct {
		name, method string
		reply        string // begins so
		kinds        [2]string
		err          string
	}{
		{"notify", "add", "", [2]string{"PRODUCER", "CONSUMER"}, ""},
		{"uncorrelated", "add", `{"jsonrpc": "2.0", "result": 3, "id": "`, [2]string{"CLIENT", "SERVER"}, ""},
		{"call", "refuse", `{"jsonrpc": "2.0", "error": {"code": 17, `, [2]string{"CLIENT", "SERVER"}, "code 17"},
		{"call", "nope", `{"jsonrpc": "2.0", "error": {"code": -32601, `, [2]string{"CLIENT", "SERVER"}, "MethodNotFound"},
		{"batch", "refuse", `[{"jsonrpc": "2.0", "error": {"code": 17, `, [2]string{"CLIENT", "SERVER"}, "code 17"},
	} {
		t.Run(shape.name+" "+shape.method, func(t *testing.T) {
			// A tap for each, so that the trace can be found by the method.
			c := c
			if shape.name == "batch" || shape.name == "uncorrelated" {
				c = startTapped(t, l, dialectCaddyfile)
			}
			reply := run(t, "json_rpc.py", "client", l.url(), queue, shape.name, shape.method)
			require.Contains(t, reply+"\n", shape.reply)
			trace := traceOf(t, c, queue, shape.method, 2)
			sent, received := onlyOf(t, trace, shape.kinds[0]), onlyOf(t, trace, shape.kinds[1])
			require.Equal(t, sent.ID, received.ParentID)
			require.Equal(t, shape.err, sent.Tags["error"])
			require.Equal(t, "jsonrpc", received.Tags["rpc.system"])
			require.Equal(t, shape.method, received.Tags["rpc.method"])
		})
	}
}
