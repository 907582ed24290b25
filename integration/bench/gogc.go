package main

import (
	"context"
	"fmt"
)

// benchGOGC measures what Go's collector has to say: the same sites at other settings of GOGC, against plain Caddy at its
// default. It answers what an operator may ask who has memory to spare, and tells how much of any difference between two Go
// programs is their heaps'.
func benchGOGC(ctx context.Context, r *rig) error {
	s := &httpStage{}
	defer func() { s.clear() }()
	var err error
	if s.up, err = startUpstream(); err != nil {
		return err
	}
	if s.zipkin, err = startWebSink(zipkinSpans); err != nil {
		return err
	}
	if s.statsd, err = startStatsdSink(); err != nil {
		return err
	}
	tap := calltapSite(s.zipkin.url("/api/v2/spans"), s.statsd.addr(), "")
	settings := []struct {
		name   string
		env    []string
		config siteConfig
	}{
		{"plain, GOGC=100", nil, siteConfig{}},
		{"plain again", nil, siteConfig{}},
		{"plain, GOGC=200", []string{"GOGC=200"}, siteConfig{}},
		{"calltap, GOGC=100", nil, tap},
		{"calltap, GOGC=200", []string{"GOGC=200"}, tap},
		{"calltap, GOGC=400", []string{"GOGC=400"}, tap},
		{"calltap, GOMEMLIMIT=256MiB", []string{"GOGC=off", "GOMEMLIMIT=256MiB"}, tap},
	}
	for i, x := range settings {
		x.config.env = x.env
		subject, err := r.startSubject(ctx, fmt.Sprint("gogc-", i), s.up.addr(), realisticRequest, x.config)
		if err != nil {
			return err
		}
		s.all = append(s.all, subject)
	}
	s.plain, s.control = s.all[0], s.all[1]
	if err := r.quietSlices(ctx, "GOGC", s); err != nil {
		return err
	}
	base := geometric(s.plain.rate, s.control.rate)
	for i, x := range s.all {
		e := medianCI(quotients(x.rate, base), r.rng)
		note := fmt.Sprintf("%s; resident at most %d MiB", e, x.peakRSS()>>20)
		r.board.add(figure{"gogc", settings[i].name + " / plain, requests/s", e.median, "ratio", goal{}, note})
	}
	return nil
}
