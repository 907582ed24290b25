package caddymodule

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/calltap/calltap/control"
	"github.com/calltap/calltap/sampling"
	"github.com/calltap/calltap/span"
)

// keyControl applies what was switched for a key, which is known at the end.
func (st *state) keyControl(site, key string, id span.TraceID, sampled bool) (_, off bool) {
	now := st.control.Now()
	if now == nil {
		return sampled, false
	}
	share, off, ok := now.Key(site, key)
	if ok {
		sampled = sampled && sampling.Chosen(id, share)
	}
	return sampled, off
}

// controlledSink stands between the sources of RPC and the pipeline.
type controlledSink struct{ *state }

// Offer implements spanbuilder.Sink.
func (c controlledSink) Offer(s *span.Span) {
	now := c.control.Now()
	if now == nil {
		c.record(s)
		return
	}
	site := s.Local.Service
	if now.Off(site) {
		return
	}
	chosen, off := c.keyControl(site, s.Key, s.TraceID, true)
	if off {
		return
	}
	changed := *s
	if share, final, ok := now.Share(site, "", ""); ok && !s.Settled {
		e, http := c.links.Get(s.TraceID) // RPC goes with its request
		changed.Sampled = http && e.Sampled || !http && sampling.Chosen(s.TraceID, share)
		changed.Settled = final
	}
	if !chosen {
		changed.Sampled, changed.Settled = false, true
	}
	c.record(&changed)
}

// maxControl bounds a POST.
const maxControl = 4 << 10

// serveControl shows the switches, after it has added the one that is posted.
func serveControl(st *state, w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodPost {
		if err := st.change(r); err != nil {
			return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
		}
	}
	return writeJSON(w, map[string][]shownSwitch{"control": st.switches()})
}

// shownSwitch is a switch that holds, and whether it still can do something.
type shownSwitch struct {
	control.Switch
	NoSuchSite bool `json:"no_such_site,omitempty"` // a reload has taken the site away; should it come back, the switch holds for it again
}

// switches lists what was switched, the oldest first.
func (st *state) switches() []shownSwitch {
	all := []shownSwitch{}
	for _, s := range st.control.List() {
		all = append(all, shownSwitch{s, !st.mayHave(s.Site, s.Key)})
	}
	return all
}

// mayHave reports whether a switch of that scope can do something. Beside a broker services may be any, as may those of keys, which a
// rule gives.
func (st *state) mayHave(site, key string) bool {
	return site == "" || key != "" || len(st.sources) > 0 ||
		slices.ContainsFunc(st.sites, func(s *enlisted) bool { return serviceName(s.Service, "") == site })
}

// knows refuses the name of a site that is none, which would switch nothing while somebody believes that it did. What is remembered of
// a site can be taken back, be there such a site or not.
func (st *state) knows(s control.Switch) error {
	if st.mayHave(s.Site, s.Key) || s.Do == control.On && st.control.Has(s.Site, s.Key) {
		return nil
	}
	names := []string{}
	for _, site := range st.sites {
		names = append(names, serviceName(site.Service, ""))
	}
	slices.Sort(names)
	return fmt.Errorf("no site is called %q; there are: %s", cutText(s.Site, 64), cmp.Or(strings.Join(slices.Compact(names), ", "), "none"))
}

func (st *state) change(r *http.Request) error {
	var s struct {
		control.Switch
		Share *float64 `json:"share"` // 0 is a share, none is a mistake
		For   string   `json:"for"`
	}
	d := json.NewDecoder(io.LimitReader(r.Body, maxControl))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return errors.New(`want JSON such as {"do":"sample","share":0.5,"site":"nova-api","for":"10m"}: ` + err.Error())
	}
	switch {
	case d.More(): // a second switch would be lost without a word
		return errors.New("want one JSON object")
	case s.Share != nil:
		s.Switch.Share = *s.Share
	case s.Do == control.Sample:
		return errors.New("sample: the share is missing, 0 to 1")
	}
	if s.For != "" {
		life, err := caddy.ParseDuration(s.For)
		if err != nil || life <= 0 {
			return errors.New("for: want a length of time such as 10m")
		}
		s.Until = time.Now().Add(life)
	}
	if err := st.knows(s.Switch); err != nil {
		return err
	}
	if err := st.control.Set(s.Switch); err != nil {
		return err
	}
	st.tell(&s.Switch, r.RemoteAddr)
	return nil
}

// tell logs a switch: who changed what is traced must be findable afterwards.
func (st *state) tell(s *control.Switch, by string) {
	until := zap.Skip() // for good
	if !s.Until.IsZero() {
		until = zap.Time("until", s.Until)
	}
	st.logger.Info("tracing was switched", zap.String("do", s.Do), zap.Float64("share", s.Share), zap.String("match", s.Match),
		zap.String("site", s.Site), zap.String("key", s.Key), until, zap.String("by", by))
}
