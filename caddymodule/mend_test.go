package caddymodule

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/spanbuilder"
)

func TestMendedIsWholeWhereverItWasCut(t *testing.T) {
	const text = `{"server": {"name": "a\"b{", "tags": ["x", {"y": [1, 2.5]}], "on": true}, "n": null}`
	for i := 1; i <= len(text); i++ {
		whole := mended([]byte(text[:i]))
		require.True(t, json.Valid(whole), "%s → %s", text[:i], whole)
	}
	require.Equal(t, text, string(mended([]byte(text))))
	require.Equal(t, `{"server": {"name": "a\"b{"}}`, string(mended([]byte(text[:36]))))
	require.Empty(t, mended(nil))
}

// Rules read what stands at the beginning of a long body.
func TestAValueBeforeALongOneIsFound(t *testing.T) {
	keys := keyrules.Config{Rules: []keyrules.Rule{{Kind: "http", Methods: []string{"POST"}, Path: "/servers", Key: "boot.{json.server.flavorRef|or:none}"}}}
	r := request1(near)
	r.Method, r.URL.Path = http.MethodPost, "/servers"
	r.Body = io.NopCloser(strings.NewReader(`{"server": {"flavorRef": "tiny", "user_data": "` + strings.Repeat("Zm9v", maxPeek) + `"}}`))
	_, s := through(t, keys, spanbuilder.LinkNone, r)
	require.Equal(t, "boot.tiny", s.Key)
}

func FuzzMended(f *testing.F) {
	f.Add([]byte(`{"a": [1, {"b": "\u0041\\"}]}`), 17)
	f.Add([]byte(`]}{[,"`), 3)
	f.Fuzz(func(t *testing.T, text []byte, cut int) {
		if !json.Valid(text) {
			mended(text)
			return
		}
		cut = min(max(cut, 0), len(text))
		if first := skipSpace(text); cut > len(text)-len(first) && (first[0] == '{' || first[0] == '[') {
			require.True(t, json.Valid(mended(text[:cut])), "%q cut at %d", text, cut)
		}
	})
}
