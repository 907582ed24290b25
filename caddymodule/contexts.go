package caddymodule

import (
	"errors"
	"net/http"
	"slices"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/calltap/calltap/spanbuilder"
	"github.com/calltap/calltap/trigger"
)

// newContexts compiles which trace headers a site reads, removes and writes. Its words have been checked.
func newContexts(site *Tracing, link spanbuilder.Link) *spanbuilder.Contexts {
	return spanbuilder.NewContexts(spanbuilder.ContextsConfig{
		Extract:   formats(site.Extract),
		Clear:     formats(site.Clear),
		Inject:    formats(site.Inject),
		RequestID: link == spanbuilder.LinkOpenStack,
	})
}

// formats keeps nil, the default, apart from empty, none.
func formats(words []string) (list []spanbuilder.Format) {
	if words == nil {
		return nil
	}
	list = make([]spanbuilder.Format, 0, len(words))
	for _, word := range words {
		if f, err := spanbuilder.ParseFormat(word); err == nil {
			list = append(list, f)
		}
	}
	return list
}

// checkProfiler finds an extract that can never read anything: OSProfiler's headers count only with a key that they were
// signed with, as whoever sends them forces a trace. With one they are read before all other forms, whoever the peer is.
func checkProfiler(extract []string, keys *trigger.Checker) error {
	if slices.Contains(extract, spanbuilder.FormatOSProfiler.String()) && !keys.ReadsOSProfiler() {
		return errors.New("extract: osprofiler is read only if a key of the global option proves it; add to calltap: " +
			"trigger { osprofiler {env.NAME} }")
	}
	return nil
}

// inbound is what the headers present say about the trace of r, if its peer is believed.
// requestID is "" if there is none to obey.
func (q *request) inbound(r *http.Request, present spanbuilder.Present) (in spanbuilder.Context, found bool, requestID string) {
	st := q.handler.state
	in, from, faults := q.handler.contexts.Extract(r.Header, present)
	if faults != (spanbuilder.Faults{}) {
		st.headerFaults.count(st.logger, faults)
	}
	found = from != spanbuilder.NoFormat
	if present.HasRequestID() {
		requestID = first(r.Header[requestIDHeader])
	}
	if !found && requestID == "" || q.handler.trust.believes(r, q.handler.server.of(r)) {
		return in, found, requestID
	}
	if found {
		q.foreign = in.TraceID
		st.untrusted.Add(1)
	}
	return spanbuilder.Context{}, false, ""
}

// headerFaults counts malformed trace headers by format and fault, for the life of the process. They come from anyone, so
// the log has a line a minute and format at most.
type headerFaults struct {
	counts [spanbuilder.NumFormats][spanbuilder.NumFaults]atomic.Int64
	told   [spanbuilder.NumFormats]seldom
}

func (c *headerFaults) count(log *zap.Logger, faults spanbuilder.Faults) {
	for f, fault := range faults {
		if fault == spanbuilder.NoFault {
			continue
		}
		c.counts[f][fault].Add(1)
		if n, now := c.told[f].due(); now {
			log.Warn("trace headers were malformed; their requests went on without them",
				zap.Stringer("format", spanbuilder.Format(f)), zap.Stringer("fault", fault), zap.Int64("requests", n))
		}
	}
}

// byFormat is for the status page: format, fault, number.
func (c *headerFaults) byFormat() map[string]map[string]int64 {
	all := make(map[string]map[string]int64)
	for f := range c.counts {
		for fault := range c.counts[f] {
			n := c.counts[f][fault].Load()
			if n == 0 {
				continue
			}
			name := spanbuilder.Format(f).String()
			if all[name] == nil {
				all[name] = make(map[string]int64)
			}
			all[name][spanbuilder.Fault(fault).String()] = n
		}
	}
	return all
}
