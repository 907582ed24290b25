package keyrules_test

import (
	"bufio"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
)

// set compiles rules that are right.
func set(t testing.TB, rules ...keyrules.Rule) *keyrules.Set {
	t.Helper()
	s, err := keyrules.Compile(keyrules.Config{Rules: rules})
	require.NoError(t, err)
	return s
}

// get is an HTTP call as the handler sees it.
func get(method, path string) *keyrules.Call {
	return &keyrules.Call{Kind: keyrules.HTTP, Service: "nova-api", Method: method, Path: path, Status: 200}
}

// rpc is a call as the tap sees it.
func rpc(topic, method string) *keyrules.Call {
	return &keyrules.Call{Kind: keyrules.RPC, Topic: topic, RPCMethod: method, Exchange: "nova", RoutingKey: topic}
}

// table reads the lines of a file, cut at tabs.
func table(t testing.TB, file string) [][]string {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	var rows [][]string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		rows = append(rows, strings.Split(lines.Text(), "\t"))
	}
	require.NotEmpty(t, rows)
	return rows
}

// requireSafe fails unless the result may go to StatsD and Zipkin as it is.
func requireSafe(t testing.TB, r keyrules.Result) {
	t.Helper()
	require.NotEmpty(t, r.Key)
	require.LessOrEqual(t, len(r.Key), 250)
	for _, segment := range strings.Split(r.Key, ".") {
		requireSegment(t, r.Key, segment)
	}
	if r.Action != "" {
		requireSegment(t, r.Action, r.Action)
	}
	require.NotEmpty(t, r.Name)
	for _, text := range []string{r.Name, r.Service} {
		require.LessOrEqual(t, len(text), 250)
		require.True(t, strings.ToValidUTF8(text, "") == text, "%q", text)
		require.NotContains(t, text, "\n")
	}
	require.NotEmpty(t, r.Rule)
}

func requireSegment(t testing.TB, in, segment string) {
	t.Helper()
	ok := segment != "" && len(segment) <= 80
	for i := 0; i < len(segment); i++ {
		c := segment[i]
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-')
	}
	require.True(t, ok, "segment %q of %q", segment, in)
}
