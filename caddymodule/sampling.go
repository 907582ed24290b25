package caddymodule

import (
	"time"

	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/sampling"
	"github.com/calltap/calltap/span"
	"github.com/calltap/calltap/spanbuilder"
)

// newHead makes of the settings how traces are decided at their beginning. A site that says nothing of its own shares the app's
// rate.
func newHead(t *Tracing) sampling.Head {
	head := sampling.Head{Share: 1, Alone: t.SampleParent != nil && !*t.SampleParent}
	if t.Sample != nil {
		head.Share = *t.Sample
	}
	if r := t.SampleRate; r != nil {
		head.Rate = sampling.NewRate(r.PerSecond, r.Burst)
	}
	return head
}

// newKeep makes of the settings what is recorded for how it ended, nil if nothing is.
func newKeep(t *Tracing) (*sampling.Keep, error) {
	statuses, err := newStatuses(t.KeepStatus)
	if err != nil {
		return nil, err
	}
	k := &sampling.Keep{Errors: t.KeepErrors != nil && *t.KeepErrors, Statuses: statuses, Slower: time.Duration(t.KeepSlower)}
	if !k.Errors && len(k.Statuses) == 0 && k.Slower <= 0 {
		return nil, nil
	}
	return k, nil
}

// provisionSampling makes how the site's requests are sampled.
func (h *Handler) provisionSampling() (err error) {
	h.head = newHead(&h.site)
	if h.Tracing.Sample == nil && h.Tracing.SampleRate == nil {
		h.head.Share, h.head.Rate = h.state.tracer.Head.Share, h.state.tracer.Head.Rate
	}
	h.keep, err = newKeep(&h.site)
	h.state.keeps = h.state.keeps || h.keep != nil
	return err
}

// choose is how the trace of q is decided if it begins here. What an operator switched goes before what a rule says, that before
// the site.
func (q *request) choose(ruled *keyrules.Sampling) sampling.Head {
	if ruled == nil && q.handler.state.control.Now() == nil {
		return q.handler.head
	}
	return q.chooseBy(ruled)
}

func (q *request) chooseBy(ruled *keyrules.Sampling) sampling.Head {
	head := q.handler.head
	if ruled != nil {
		q.ruled = ruled
		head = head.Ruled(ruled.Share, ruled.Final)
	}
	if now := q.handler.state.control.Now(); now != nil {
		if share, final, ok := now.Share(serviceName(q.service, ""), q.method, q.path); ok {
			q.fixed = true
			return sampling.Head{Share: share, Alone: head.Alone, Final: final}
		}
	}
	return head
}

// place gives q its place in its trace.
func (q *request) place(in spanbuilder.Context, found bool, requestID string, named bool, by sampling.Head) {
	q.server = q.handler.state.tracer.StartServer(in, found, requestID, named, serviceName(q.service, ""), by)
	q.hold(&by)
}

// hold says that what is not recorded now may be kept for how it ends.
func (q *request) hold(by *sampling.Head) {
	st := q.handler.state
	if st.keeps && !q.server.Sampled && !by.Final {
		q.undecided = true
		st.holder.Begin(q.server.TraceID)
	}
}

// fate decides, at the end of q, what becomes of its span. off says that it is not even counted.
func (q *request) fate(named *keyrules.Result, service string, failed bool, status int, took time.Duration) (f sampling.Fate, off bool) {
	if q.server.Sampled && named.Sample == nil && !q.undecided && q.handler.state.control.Now() == nil {
		return sampling.Kept, false // as nearly all
	}
	return q.decide(named, service, failed, status, took)
}

func (q *request) decide(named *keyrules.Result, service string, failed bool, status int, took time.Duration) (f sampling.Fate, off bool) {
	st := q.handler.state
	chosen, off := st.keyControl(service, named.Key, q.server.TraceID, true)
	if off {
		return sampling.LetGo, true
	}
	barred := !chosen
	if q.server.Sampled {
		f = sampling.Kept
	}
	if rule := named.Sample; rule != nil && rule != q.ruled && !q.fixed {
		f = q.ruledLate(rule, f)
		barred = barred || rule.Final && f == sampling.LetGo
	}
	reason := !barred && (f == sampling.Kept || q.handler.keep.Request(failed, status, took))
	switch {
	case q.undecided:
		if late := q.settle(reason); f == sampling.LetGo {
			f = late
		}
	case reason && q.server.Sampled: // what a share lets go late is kept as what one does early
		f = sampling.Kept
	}
	if barred {
		f = sampling.LetGo
	}
	return f, false
}

// ruledLate applies to the span what a rule says of which it was not known at the beginning that it is q's.
func (q *request) ruledLate(rule *keyrules.Sampling, f sampling.Fate) sampling.Fate {
	if !rule.Final && !q.server.Own {
		return f
	}
	if head := q.handler.head.Ruled(rule.Share, rule.Final); head.Takes(q.server.TraceID) {
		return sampling.Kept
	}
	return sampling.LetGo
}

// settle tells how a request ended whose trace is undecided.
func (q *request) settle(reason bool) sampling.Fate {
	st := q.handler.state
	q.undecided = false
	if reason {
		st.links.Keep(q.server.TraceID) // what follows it is recorded from its beginning
	}
	return st.holder.End(q.server.TraceID, reason, st.tracer.HasSources, st.pipeline)
}

// record gives away a span of RPC.
func (st *state) record(s *span.Span) {
	if st.keeps {
		st.holder.Offer(s, st.keep, st.pipeline)
		return
	}
	st.pipeline.Offer(s)
}
