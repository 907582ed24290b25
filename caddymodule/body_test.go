package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/spanbuilder"
)

func TestFirstKey(t *testing.T) {
	long := strings.Repeat("k", maxBodyKey+1)
	for body, want := range map[string]string{
		`{"reboot": {"type": "HARD"}}`:      "reboot",
		" \r\n\t{ \n\"os-start\" \t: null}": "os-start",
		`{"a\u0062\"c":1}`:                  `ab"c`,
		`{"reboot":`:                        "reboot",
		`{"reboot"`:                         "",
		`{"reboot" 1}`:                      "",
		`{"":1}`:                            "",
		`{}`:                                "",
		`[{"reboot":1}]`:                    "",
		`"reboot"`:                          "",
		`{reboot:1}`:                        "",
		"{\"a\nb\":1}":                      "",
		`{"\q":1}`:                          "",
		"{\"\xff\":1}":                      "\uFFFD",
		``:                                  "",
		`{"` + long + `":1}`:                "",
		`--boundary`:                        "",
		"\xef\xbb\xbf" + `{"bom":1}`:        "",
		strings.Repeat(" ", maxPeek-12) + `{"last":1}`:      "last",
		strings.Repeat(" ", maxPeek) + `{"beyond":1}`:       "",
		strings.Repeat(" ", maxPeek-4) + `{"cut-in-two":1}`: "",
	} {
		for name, reader := range map[string]io.Reader{
			"at once":      strings.NewReader(body),
			"by byte":      iotest.OneByteReader(strings.NewReader(body)),
			"by half":      iotest.HalfReader(strings.NewReader(body)),
			"data and EOF": iotest.DataErrReader(strings.NewReader(body)),
		} {
			r := &http.Request{Body: io.NopCloser(reader)}
			tee := teeBody(r, false)
			got, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			require.Equal(t, body, string(got), name)
			require.Equal(t, want, tee.firstKey(), "%s: %.40q", name, body)
			require.LessOrEqual(t, cap(tee.begin), 2*maxPeek)
		}
	}
}

func TestNoBodyIsLeftAlone(t *testing.T) {
	for _, body := range []io.ReadCloser{nil, http.NoBody} {
		r := &http.Request{Body: body}
		require.Nil(t, teeBody(r, false))
		require.Equal(t, body, r.Body)
	}
	require.Empty(t, (*bodyTee)(nil).firstKey())
}

type faultyBody struct{ io.Reader }

func (faultyBody) Close() error { return errPlain }

func TestErrorsOfTheBodyPass(t *testing.T) {
	broken := errors.New("broken")
	r := &http.Request{Body: faultyBody{io.MultiReader(strings.NewReader(`{"a`), iotest.ErrReader(broken))}}
	tee := teeBody(r, false)
	_, err := io.ReadAll(r.Body)
	require.Equal(t, broken, err)
	require.Equal(t, errPlain, r.Body.Close())
	require.Empty(t, tee.firstKey())
}

func TestActionIsTheFirstKeyOfTheBody(t *testing.T) {
	r := request1(near)
	r.Method = http.MethodPost
	r.URL.Path = "/v2.1/servers/5af7183f-b1d4-4f5f-863a-c35736b21a58/action"
	r.Body = io.NopCloser(strings.NewReader(`{"reboot": {"type": "SOFT"}}`))
	keys := keyrules.Config{Rules: []keyrules.Rule{{Kind: "http", Methods: []string{"POST"}, Path: "/v2.1/servers/{id}/action",
		Key: "nova.api.servers.{action}.{method}", Action: "{json.0}"}}}
	_, s := through(t, keys, spanbuilder.LinkNone, r)
	require.Equal(t, "nova.api.servers.reboot.POST", s.Key)
	require.Equal(t, "svc", s.Local.Service)
}

// FuzzFirstKey compares with encoding/json, and feeds the same bytes in two pieces.
func FuzzFirstKey(f *testing.F) {
	for _, body := range []string{`{"reboot":1}`, `{"a\u00e4":{`, ` [`, `{"x" : `, `{"\ud800":0}`, "{\"\x00\":1}"} {
		f.Add([]byte(body), 3)
	}
	f.Fuzz(func(t *testing.T, body []byte, cut int) {
		key, state := firstKey(body)
		require.Equal(t, state == haveKey, key != "")
		if state == haveKey {
			require.Equal(t, key, slowFirstKey(body))
		} else if state == noKey && len(body) < maxBodyKey && json.Valid(body) {
			require.Empty(t, slowFirstKey(body))
		}
		cut = min(max(cut, 0), len(body))
		tee := &bodyTee{}
		tee.note(body[:cut])
		tee.note(body[cut:])
		if len(body) <= maxPeek {
			require.Equal(t, key, tee.firstKey())
		}
	})
}

func slowFirstKey(body []byte) string {
	dec := json.NewDecoder(bytes.NewReader(body))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return ""
	}
	token, err := dec.Token()
	if err != nil {
		return ""
	}
	key, _ := token.(string)
	return key
}
