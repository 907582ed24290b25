package caddymodule

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/calltap/calltap/sampling"
	"github.com/calltap/calltap/span"
)

// upstreamKey is behind the request's key in that of its attempts, so that their metrics are beside it: KEY.upstream.total,
// KEY.upstream.calls, and not among its own.
const upstreamKey = ".upstream"

// finishBelow makes spans of the attempts, below server, which is the request's own, and gives them away.
func (a *attempts) finishBelow(server *span.Span, o outcome, gone bool, fate sampling.Fate) {
	a.mu.Lock()
	defer a.unlock()
	a.excuse(o, gone || server.Error == classClientGone)
	a.finish(o, gone, server.Start+server.Duration)
	a.unwatch()
	if len(a.list) == 0 {
		return
	}
	s := span.Span{
		TraceID: server.TraceID, Parent: server.ID, Kind: span.KindClient, Debug: server.Debug, Sampled: server.Sampled,
		Name: server.Name, Local: server.Local,
	}
	for i := range a.list {
		c := &a.list[i]
		s.ID, s.Start, s.Duration, s.Error = c.id, c.begin, c.end-c.begin, c.class()
		if s.Error == classClientGone && server.Error == "" {
			s.Error = "" // of a stream, which clients leave
		}
		usual := new(usualFacts)
		s.Key = usual.keyBelow(server.Key)
		s.Notes, s.Timers = c.notes(usual.notes[:0]), c.timers(usual.timers[:0])
		s.Remote, s.Tags = span.Endpoint{}, nil
		if fate != sampling.LetGo {
			s.Remote, s.Tags = c.endpoint(), c.tags(usual.tags[:0])
			if i == maxAttempts-1 && a.leftOut > 0 {
				s.Tags = append(s.Tags, span.Tag{Key: tagLeftOut, Value: strconv.Itoa(a.leftOut)})
			}
		}
		a.st.give(&s, fate)
	}
}

// endpoint is the upstream. Its service is its name, if it was dialled by one.
func (c *attempt) endpoint() span.Endpoint {
	e := span.Endpoint{IP: c.remote.Addr(), Port: c.remote.Port()}
	host, port, ok := cutPort(c.address)
	if !ok {
		return e
	}
	if e.IP.IsValid() && isNumeric(host) {
		return e
	}
	if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); err != nil {
		e.Service = strings.ToLower(cutText(host, 128))
	} else if !e.IP.IsValid() {
		e.IP = addr.Unmap().WithZone("")
	}
	if e.Port == 0 {
		n, _ := strconv.ParseUint(port, 10, 16)
		e.Port = uint16(n)
	}
	return e
}

// isNumeric reports, in a fraction of the time that parsing takes, whether host is an address, as it stands in host:port.
func isNumeric(host string) bool {
	if host[0] == '[' {
		return true
	}
	for i := range len(host) {
		if c := host[i]; c != '.' && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// cutPort parts host:port. A unix socket has none.
func cutPort(address string) (host, port string, ok bool) {
	i := strings.LastIndexByte(address, ':')
	if i <= 0 || strings.Contains(address, "/") {
		return "", "", false
	}
	return address[:i], address[i+1:], true
}

// Tags of an attempt.
const (
	tagUpstream = "upstream.address"
	tagResend   = "http.resend_count"
	tagReused   = "upstream.connection" // reused, new
	tagLeftOut  = "calltap.attempts_left_out"
)

// usualFacts has room for what an attempt shows that was answered on a connection that was there: one allocation in place of
// four. Those that have more to tell get more.
type usualFacts struct {
	tags   [3]span.Tag
	notes  [2]span.Note
	timers [1]span.Timer
	key    [72]byte
}

// keyBelow is the metric key of an attempt of a request that has key.
func (u *usualFacts) keyBelow(key string) string {
	if key == "" {
		return ""
	}
	if len(key)+len(upstreamKey) > len(u.key) {
		return key + upstreamKey
	}
	return asString(append(append(u.key[:0], key...), upstreamKey...))
}

func (c *attempt) tags(tags []span.Tag) []span.Tag {
	if c.address != "" {
		tags = append(tags, span.Tag{Key: tagUpstream, Value: cutText(c.address, 256)})
	}
	if c.status != 0 {
		tags = append(tags, span.Tag{Key: span.TagHTTPStatus, Value: statusText(c.status)})
	}
	if c.resend > 0 {
		tags = append(tags, span.Tag{Key: tagResend, Value: strconv.Itoa(c.resend)})
	}
	switch {
	case c.connected != 0:
		tags = append(tags, span.Tag{Key: tagReused, Value: "new"})
	case c.got:
		tags = append(tags, span.Tag{Key: tagReused, Value: "reused"})
	}
	if c.out > 0 {
		tags = append(tags, span.Tag{Key: span.TagHTTPReceived, Value: strconv.FormatInt(c.out, 10)})
	}
	if c.in > 0 {
		tags = append(tags, span.Tag{Key: span.TagHTTPSent, Value: strconv.FormatInt(c.in, 10)})
	}
	return tags
}

// notes are the moments of the attempt. As every note they are counters too: KEY.upstream.retry, KEY.upstream.connect_done.
func (c *attempt) notes(notes []span.Note) []span.Note {
	add := func(at int64, value string) {
		if at != 0 {
			notes = append(notes, span.Note{Time: at, Value: value})
		}
	}
	if c.resend > 0 {
		add(c.begin, "retry")
	}
	if c.again {
		add(c.begin, "resent")
	}
	add(c.connect, "connect_start")
	add(c.connected, "connect_done")
	add(c.secure, "tls_start")
	add(c.secured, "tls_done")
	add(c.sent, "request_sent")
	add(c.first, "first_byte")
	return notes
}

// timers are the parts of the attempt that deserve a metric.
func (c *attempt) timers(timers []span.Timer) []span.Timer {
	add := func(name string, from, to int64) {
		if from != 0 && to != 0 {
			timers = append(timers, span.Timer{Name: name, Micros: max(1, to-from)})
		}
	}
	add("connect", c.connect, c.connected)
	add("tls", c.secure, c.secured)
	add("latency", c.begin, c.first)
	return timers
}
