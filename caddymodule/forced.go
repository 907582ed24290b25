package caddymodule

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/calltap/calltap/sampling"
	"github.com/calltap/calltap/spanbuilder"
	"github.com/calltap/calltap/trigger"
)

// The headers of triggers as net/http spells them.
const (
	triggerHeader = "X-Calltap-Trigger"
	infoHeader    = "X-Trace-Info"
	macHeader     = "X-Trace-Hmac"
)

// newChecker resolves the keys. Its errors name placeholders, never their values. It returns nil if t is nil.
func newChecker(t *Trigger, repl *caddy.Replacer, guard *trigger.Guard) (*trigger.Checker, error) {
	if t == nil {
		return nil, nil
	}
	profilers, err := secrets(t.OSProfiler, repl, 1)
	if err != nil {
		return nil, err
	}
	own, err := secrets(t.Keys, repl, trigger.MinKey)
	if err != nil {
		return nil, err
	}
	var rate *sampling.Bucket
	if t.Limit != nil {
		rate = sampling.NewBucket(t.Limit.PerSecond, t.Limit.Burst)
	}
	return trigger.NewChecker(trigger.Keys{OSProfiler: profilers, Own: own}, rate, guard), nil
}

// secrets are the values of placeholders, without the newline that a file ends with.
func secrets(placeholders []string, repl *caddy.Replacer, least int) (keys [][]byte, err error) {
	for _, p := range placeholders {
		value, err := repl.ReplaceOrErr(p, true, true)
		if err != nil {
			return nil, fmt.Errorf("trigger: %s has no value", p)
		}
		value = strings.TrimRight(value, "\r\n")
		if len(value) < least {
			return nil, fmt.Errorf("trigger: the key of %s has %d bytes, want at least %d", p, len(value), least)
		}
		keys = append(keys, []byte(value))
	}
	return keys, nil
}

// forced returns the context that a valid trigger asks for. It is not a question of who the peer is: who has a key is trusted.
// calltap's own header goes no further, as it is used up; OSProfiler's goes on to its services.
func (st *state) forced(header http.Header) (spanbuilder.Context, bool) {
	h := trigger.Headers{Own: header[triggerHeader], Info: header[infoHeader], MAC: header[macHeader]}
	if h.Own == nil && h.Info == nil {
		return spanbuilder.Context{}, false
	}
	t, v := st.trigger.Check(h, time.Now())
	if h.Own != nil {
		delete(header, triggerHeader)
	}
	switch v {
	case trigger.Valid:
		return spanbuilder.Context{TraceID: t.ID, SpanID: t.Parent, Decision: spanbuilder.Accept}, true
	case trigger.None:
	default:
		st.rejected.say(st.logger, v)
	}
	return spanbuilder.Context{}, false
}
