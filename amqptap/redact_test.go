package amqptap

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/internal/config"
	"github.com/calltap/calltap/keyrules"
)

// captures are all the recordings there are, of every dialect.
func captures(t testing.TB) (files []string) {
	t.Helper()
	for _, dir := range []string{"testdata", "dialect/testdata", "../integration/testdata"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if strings.HasSuffix(path, ".jsonl") && err == nil {
				files = append(files, path)
			}
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		})
		require.NoError(t, err)
	}
	require.Greater(t, len(files), 10)
	return files
}

// redacted is a capture as `calltap record` would have written it.
func redacted(t testing.TB, capture []byte, args ...string) (out []byte, blanked int64) {
	t.Helper()
	x, err := newRedactor(args)
	require.NoError(t, err)
	w, err := createCapture(filepath.Join(t.TempDir(), "redacted"), nil)
	require.NoError(t, err)
	for text := range bytes.Lines(capture) {
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		l, err := decodeLine(text)
		require.NoError(t, err)
		size := len(l.Body)
		x.redact(&l)
		require.Len(t, l.Body, size)
		require.NoError(t, w.write(&l))
	}
	require.NoError(t, w.finish())
	out, err = os.ReadFile(w.name)
	require.NoError(t, err)
	return out, x.blanked
}

// printed is what `calltap replay` makes of a capture.
func printed(t testing.TB, c config.Config, capture []byte) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, replay("capture", bytes.NewReader(capture), c, &out, io.Discard))
	return out.String()
}

func TestARedactedCaptureGivesTheSameSpans(t *testing.T) {
	for _, file := range captures(t) {
		t.Run(file, func(t *testing.T) {
			capture, err := os.ReadFile(file)
			require.NoError(t, err)
			out, blanked := redacted(t, capture)
			require.Zero(t, blanked, "messages that had to be blanked whole")
			want := printed(t, defaultReplay(), capture)
			require.NotEmpty(t, want)
			require.Equal(t, want, printed(t, defaultReplay(), out))
		})
	}
}

func TestArgumentsThatRulesNameStay(t *testing.T) {
	capture, err := os.ReadFile(novaBoot)
	require.NoError(t, err)
	rules, err := keyrules.Compile(keyrules.Config{Rules: []keyrules.Rule{
		{Kind: "rpc", RPCMethod: "object_action", Key: "{rpc.arg.objname}.{rpc.arg.objmethod}"},
	}})
	require.NoError(t, err)
	c := config.Config{Link: "openstack", Keys: keyrules.Config{Rules: []keyrules.Rule{
		{Kind: "rpc", RPCMethod: "object_action", Key: "{rpc.arg.objname}.{rpc.arg.objmethod}"},
	}}}
	out, _ := redacted(t, capture, rules.Needs().RPCArgs...)
	want := printed(t, c, capture)
	require.Contains(t, want, "Instance.save")
	require.Equal(t, want, printed(t, c, out))
}

// bodies are all bodies of a capture, with its headers.
func bodies(t testing.TB, capture []byte) string {
	t.Helper()
	var all strings.Builder
	for text := range bytes.Lines(capture) {
		l, err := decodeLine(text)
		require.NoError(t, err)
		all.Write(l.Body)
		all.WriteByte('\n')
		fmt.Fprintln(&all, l.Headers)
	}
	return all.String()
}

func TestNoSecretSurvives(t *testing.T) {
	const secret = "gAAAAABk-s3cr3t_T0ken"
	escape := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	failure := `{"class": "NoValidHost", "module": "nova.exception", "message": "` + secret + `", "tb": ["` + secret + `", "line"], "args": ["` + secret + `"], "kwargs": {"` + secret + `": 1}}`
	oslo := func(inner string) string { return `{"oslo.version": "2.0", "oslo.message": ` + escape(inner) + `}` }
	for name, body := range map[string]string{
		"oslo call": oslo(`{"method": "build", "args": {"context": {"k": "` + secret + `"}, "files": [["/etc/shadow", "` + secret + `"]], "` + secret + `": 17}, "_msg_id": "1f2e", "_reply_q": "reply_1",
			"_unique_id": "u1", "_context_auth_token": "` + secret + `", "_context_request_id": "req-8618abd6-25f9-443d-a023-040661f408ff", "_context_trace_info": {"hmac_key": "` + secret + `", "base_id": "a", "parent_id": "b"}}`),
		"oslo failure": oslo(`{"result": null, "failure": ` + escape(failure) + `, "_unique_id": "u2", "_msg_id": "1f2e", "ending": true}`),
		"oslo result":  oslo(`{"result": {"admin_password": "` + secret + `", "n": [1, "` + secret + `"]}, "failure": null, "_unique_id": "u3", "_msg_id": "1f2e", "ending": true}`),
		"odd escapes":  `{"oslo.version": "2.0", "oslo.message": "{\u0022method\u0022: \u0022m\u0022, \u0022args\u0022: \u0022` + secret + `\u0022, \u0022_unique_id\u0022: \u0022u\u0022}"}`,
		"cut off":      oslo(`{"method": "build", "args": {"k": "` + secret)[:90] + secret,
		"celery":       `[["` + secret + `", 17], {"password": "` + secret + `"}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]`,
		"celery reply": `{"task_id": "t1", "status": "FAILURE", "result": {"exc_type": "ValueError", "exc_message": ["` + secret + `"], "exc_module": "builtins"}, "traceback": "` + secret + `", "children": []}`,
		"nameko":       `{"args": ["` + secret + `"], "kwargs": {"x": "` + secret + `"}}`,
		"nameko error": `{"result": null, "error": {"exc_type": "E", "exc_path": "a.E", "exc_args": ["` + secret + `"], "value": "` + secret + `"}}`,
		"json-rpc":     `{"jsonrpc": "2.0", "method": "add", "params": {"token": "` + secret + `"}, "id": 3}`,
		"an error":     `{"jsonrpc": "2.0", "error": {"code": -32000, "message": "` + secret + `", "data": "` + secret + `"}, "id": 3}`,
		"plain json":   `{"` + secret + `": {"deep": ["` + secret + `"]}}`,
		"plain text":   `the token is ` + secret + ` indeed`,
		"binary":       "\xac\xed\x00\x05sr\x00\x07" + secret + "\x00\xff",
		"nothing":      ``,
	} {
		for _, key := range []string{"publish.nova", "deliver.conductor"} {
			t.Run(name+" "+key, func(t *testing.T) {
				b, err := json.Marshal(map[string]any{
					"ts": 100.5, "routing_key": key, "body_b64": []byte(body),
					"headers": map[string]any{"exchange_name": "nova", "routing_keys": []any{"conductor"}, "vhost": "/", "connection": "a -> b", "user": secret, "else": []any{secret},
						"properties": map[string]any{"correlation_id": "t1", "reply_to": "reply_1", "user_id": secret, "app_id": secret, "content_type": "application/json",
							"headers": map[string]any{"argsrepr": "('" + secret + "',)", "token": secret, "nested": map[string]any{"list": []any{secret, 5}}, "task": "proj.add", "id": "t1", "lang": "py",
								"x-death": []any{map[string]any{"reason": "expired", "queue": "q", "count": 2, "exchange": secret}}}}},
				})
				require.NoError(t, err)
				out, _ := redacted(t, append(b, '\n'))
				got := bodies(t, out)
				require.NotContains(t, got, "s3cr3t", got)
				require.NotContains(t, got, "shadow")
			})
		}
	}
}

func TestShapesStayAsTheyWere(t *testing.T) {
	l := captureLine{TS: 1, RoutingKey: "publish.x", Body: []byte(`{"a": [1, -2.5e3, true, null, "té\n", "", {"b7": {"c": "{\"d\": \"e\\\\\"}"}}]}`),
		Headers: map[string]any{"properties": map[string]any{"headers": map[string]any{"h": "word", "n": 17.0, "t": true, "timestamp_in_ms": 5.0}}}}
	x, err := newRedactor(nil)
	require.NoError(t, err)
	x.redact(&l)
	require.Zero(t, x.blanked)
	require.Equal(t, `{"a": [1, -1.1e1, true, null, "xxxxx", "", {"xx": {"c": "{\"d\": \"xxxxx\"}"}}]}`, string(l.Body))
	require.Equal(t, map[string]any{"h": "xxxx", "n": 1.0, "t": true, "timestamp_in_ms": 5.0}, l.Headers["properties"].(map[string]any)["headers"])
}

// FuzzRedact proves of any body that redaction keeps its size and what is read of it, and ends.
func FuzzRedact(f *testing.F) {
	capture, err := os.ReadFile(novaBoot)
	require.NoError(f, err)
	for text := range bytes.Lines(capture) {
		l, err := decodeLine(text)
		require.NoError(f, err)
		f.Add(l.Body[:min(len(l.Body), 600)])
	}
	f.Add([]byte(`{"a": "{\"b\": \"[\\\"c\\\"]\"}"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		l := captureLine{TS: 1, RoutingKey: "publish.x", Headers: map[string]any{"properties": map[string]any{}}, Body: bytes.Clone(body)}
		x, err := newRedactor(nil)
		require.NoError(t, err)
		x.redact(&l)
		require.Len(t, l.Body, len(body))
		require.Zero(t, x.blanked)
		if json.Valid(body) {
			require.True(t, json.Valid(l.Body))
		}
	})
}
