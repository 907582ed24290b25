package caddymodule

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
)

// tagQuery shows the query string, as far as Query lets it.
const tagQuery = "http.query"

const (
	redacted   = "REDACTED"
	maxQuery   = 4096 // bytes of a query string that are looked at
	maxParams  = 32   // parameters that are shown
	maxName    = 64   // bytes of a name
	hashedText = 16   // hex digits
)

// query shows of a query string what the site allows. Values that it hashes are keyed: a value that few people know
// cannot be found by trying, and equal ones still look alike until the next reload.
type query struct {
	keep, redact, hash []string
	key                [32]byte
}

func newQuery(q *Query) *query {
	if q == nil {
		return nil
	}
	made := &query{keep: q.Keep, redact: q.Redact, hash: q.Hash}
	rand.Read(made.key[:])
	return made
}

// shownQuery is what of the query is shown: what the innermost calltap says that says anything.
func (q *request) shownQuery() *query {
	if q.amended != nil {
		for _, h := range slices.Backward(q.amended.shows) {
			if h.Query != nil {
				return h.query
			}
		}
	}
	return q.handler.query
}

// show writes the parameters in their order, each as NAME=VALUE. Values not named by the site are REDACTED; a parameter whose name
// is no word is left out, as it may be the secret itself.
func (q *query) show(raw string) string {
	if len(raw) > maxQuery {
		raw = raw[:maxQuery]
		raw = raw[:strings.LastIndexByte(raw, '&')+1]
	}
	var b strings.Builder
	n := 0
	for part := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || !isWord(name) {
			continue
		}
		if n++; n > maxParams {
			break
		}
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(name)
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(q.value(name, value)))
	}
	return cutText(b.String(), maxPathTag)
}

func (q *query) value(name, value string) string {
	switch {
	case slices.Contains(q.redact, name):
		return redacted
	case slices.Contains(q.keep, name):
		plain, err := url.QueryUnescape(value)
		if err != nil {
			return redacted
		}
		return cutText(plain, maxTagValue)
	case slices.Contains(q.hash, name):
		h := hmac.New(sha256.New, q.key[:])
		h.Write([]byte(value))
		return hex.EncodeToString(h.Sum(nil))[:hashedText]
	}
	return redacted
}

// isWord reports whether a parameter's name is one that a program chose: letters, digits and a few signs, not too long, and with
// fewer digits than a token would have.
func isWord(name string) bool {
	if name == "" || len(name) > maxName {
		return false
	}
	digits := 0
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', strings.IndexByte("_-.:[]", c) >= 0:
		case '0' <= c && c <= '9':
			digits++
		default:
			return false
		}
	}
	return len(name) < 20 || digits < 4
}
