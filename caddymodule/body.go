package caddymodule

import (
	"encoding/json"
	"io"
	"net/http"
	"sync"
)

const (
	maxPeek    = 4 << 10 // of a body that is looked at for its first key
	maxBodyKey = 256     // a longer key is no action's name
)

// bodyTee remembers the beginning of a request body as the next handler reads it. It reads nothing by
// itself: `100 Continue` is sent when the handler wants the body and not before, a streamed body
// streams, and every byte and error is the original's.
//
// The transport of reverse_proxy reads on another goroutine, which may outlive the response: hence mu.
type bodyTee struct {
	io.ReadCloser

	keep bool // what was read, for rules that look for more than the first key

	mu    sync.Mutex // guards all below
	begin []byte     // what was read so far, up to maxPeek: while the key is not known, or to keep
	key   string
	done  bool // the key is known, or there is none
}

// teeBody makes r.Body a bodyTee, or returns nil if the request has no body. keep is for what kept returns.
func teeBody(r *http.Request, keep bool) *bodyTee {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	t := &bodyTee{ReadCloser: r.Body, keep: keep}
	r.Body = t
	return t
}

// Read reads from the original body.
func (t *bodyTee) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if n > 0 {
		t.note(p[:min(n, len(p))])
	}
	return n, err
}

// note looks for the key in what is known of the body with p added. Most clients send the whole
// of a small body at once, so that p is looked at where it lies and copied never.
func (t *bodyTee) note(p []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done && !t.keep || len(t.begin) == maxPeek {
		return
	}
	p = p[:min(len(p), maxPeek-len(t.begin))]
	seen := p
	if len(t.begin) > 0 || t.keep {
		t.begin = append(t.begin, p...)
		seen = t.begin
	}
	if t.done {
		return
	}
	key, state := firstKey(seen)
	switch {
	case state != needMore || len(seen) >= maxPeek:
		t.key, t.done = key, true
		if !t.keep {
			t.begin = nil
		}
	case len(t.begin) == 0:
		t.begin = append(make([]byte, 0, 512), p...)
	}
}

// firstKey returns the first key of the JSON object, "" if there is none or none was read.
func (t *bodyTee) firstKey() string {
	if t == nil {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.key
}

// kept returns the beginning of the body, as far as it was read; nil if it was not to be kept.
func (t *bodyTee) kept() []byte {
	if t == nil || !t.keep {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.begin[:len(t.begin):len(t.begin)]
}

// scan says what firstKey made of its input.
type scan uint8

const (
	noKey scan = iota
	needMore
	haveKey
)

// firstKey finds the first key of the JSON object (RFC 8259) that body begins with. It looks no
// further than the colon after the key.
func firstKey(body []byte) (string, scan) {
	rest := skipSpace(body)
	if len(rest) == 0 {
		return "", needMore
	}
	if rest[0] != '{' {
		return "", noKey
	}
	rest = skipSpace(rest[1:])
	if len(rest) == 0 {
		return "", needMore
	}
	if rest[0] != '"' {
		return "", noKey
	}
	end := stringEnd(rest)
	switch {
	case end == 0:
		return "", needMore
	case end < 0:
		return "", noKey
	}
	after := skipSpace(rest[end:])
	if len(after) == 0 {
		return "", needMore
	}
	if after[0] != ':' {
		return "", noKey
	}
	return unquote(rest[:end])
}

// stringEnd returns the length of the JSON string that b begins with, both quotes included; 0 if b
// ends before it, -1 if it is too long or holds what no string may.
func stringEnd(b []byte) int {
	escaped := false
	for i := 1; i < len(b); i++ {
		switch c := b[i]; {
		case i > maxBodyKey || c < ' ':
			return -1
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case c == '"':
			return i + 1
		}
	}
	return 0
}

func unquote(quoted []byte) (string, scan) {
	var key string
	if err := json.Unmarshal(quoted, &key); err != nil || key == "" {
		return "", noKey
	}
	return key, haveKey
}

func skipSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\n' || b[0] == '\r') {
		b = b[1:]
	}
	return b
}
