package keyrules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// query is one search for a rule.
type query struct {
	facts  *facts
	path   *path
	values []string
	early  bool // before the call: status and body are not known yet
	header bool // early: headers are known
	maybe  int32
	body   int32 // early: the first rule that may match and looks at the body
}

// more are an HTTP rule's matchers beside method, host and path.
type more struct {
	statuses []statusRange
	headers  []headerMatch
	json     glob
}

// statusRange is a status code or a class of them.
type statusRange struct{ from, to int }

type headerMatch struct {
	name  string
	place int
	value glob
}

func (h *headerMatch) match(value string) bool { return value != "" && h.value.match(value) }

// answer of a matcher that may not know yet.
type answer uint8

const (
	no answer = iota
	yes
	perhaps
)

// match goes from what is known before a call to what is known at its end.
func (m *more) match(q *query) answer {
	if len(m.headers) > 0 {
		if q.early && !q.header {
			return perhaps
		}
		for i := range m.headers {
			if h := &m.headers[i]; !h.match(q.values[h.place]) {
				return no
			}
		}
	}
	if q.early {
		if m.json.pattern != "" && !mayHaveBody(q.facts.method) {
			return no
		}
		if m.json.pattern != "" || len(m.statuses) > 0 {
			return perhaps
		}
		return yes
	}
	if m.json.pattern != "" && !m.matchJSON(q.facts.bodyKey) || len(m.statuses) > 0 && !m.matchStatus(q.facts.status) {
		return no
	}
	return yes
}

func (m *more) matchJSON(key string) bool { return key != "" && m.json.match(key) }

func (m *more) matchStatus(status int) bool {
	return slices.ContainsFunc(m.statuses, func(s statusRange) bool { return s.from <= status && status <= s.to })
}

// matchHTTP answers for a rule that the index found by method and path.
func (q *query) matchHTTP(r *rule, number int32) bool {
	if !r.host.match(q.facts.host) {
		return false
	}
	if r.more == nil {
		return true
	}
	switch r.more.match(q) {
	case yes:
		return true
	case perhaps:
		q.maybe = min(q.maybe, number)
		if r.more.json.pattern != "" || r.wantsBody(q.path, q.facts.method) {
			q.body = min(q.body, number)
		}
	}
	return false
}

// mayHaveBody reports whether requests of the method carry what rules may read.
func mayHaveBody(method string) bool { return method == "POST" || method == "PUT" || method == "PATCH" }

// compileMore reads status, header and json.
func (r *Rule) compileMore(out *rule, w *wants) error {
	if len(r.Statuses) == 0 && len(r.Headers) == 0 && r.JSON == "" {
		return nil
	}
	m := &more{json: newGlob(r.JSON)}
	for _, text := range r.Statuses {
		s, err := parseStatus(text)
		if err != nil {
			return err
		}
		m.statuses = append(m.statuses, s)
	}
	for _, h := range r.Headers {
		if !isHeaderName(h.Name) {
			return fmt.Errorf("header %q: not a header's name; write header X-Name value", h.Name)
		}
		place, err := w.place(fieldHeader, h.Name)
		if err != nil {
			return err
		}
		m.headers = append(m.headers, headerMatch{h.Name, place, newGlob(h.Value)})
	}
	if r.JSON != "" && len(out.methods) > 0 && !slices.ContainsFunc(out.methods, mayHaveBody) {
		return fmt.Errorf("json %s: is of the body, and %s has none that is read", r.JSON, strings.Join(out.methods, ", "))
	}
	out.more = m
	return nil
}

// parseStatus reads 404 and 5xx.
func parseStatus(text string) (statusRange, error) {
	if len(text) == 3 && strings.EqualFold(text[1:], "xx") && text[0] >= '1' && text[0] <= '5' {
		from := int(text[0]-'0') * 100
		return statusRange{from, from + 99}, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 100 || n > 599 {
		return statusRange{}, fmt.Errorf("status %q: write a code such as 404, or a class such as 5xx", text)
	}
	return statusRange{n, n}, nil
}

// isHeaderName reports a token of RFC 9110, of a length that servers take.
func isHeaderName(s string) bool {
	return s != "" && len(s) <= maxSegment &&
		strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~") == ""
}
