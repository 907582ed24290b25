package caddymodule

import (
	"errors"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/calltap/calltap/spanbuilder"
)

func init() { caddy.RegisterModule(fakeSource{}) }

// fakeSource is a source that sees nothing.
type fakeSource struct {
	Fail string `json:"fail,omitempty"` // provision or start
}

// fakes counts over all of them.
var fakes struct{ started, stopped atomic.Int64 }

func (fakeSource) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "calltap.sources.fake", New: func() caddy.Module { return new(fakeSource) }}
}

func (s *fakeSource) Provision(caddy.Context) error {
	if s.Fail == "provision" {
		return errors.New("told to fail")
	}
	return nil
}

func (s *fakeSource) Start(t *spanbuilder.Tracer) error {
	if s.Fail == "start" {
		return errors.New("told to fail")
	}
	if t.Rules == nil || t.Sink == nil || t.Links == nil || !t.HasSources {
		return errors.New("half a tracer")
	}
	fakes.started.Add(1)
	return nil
}

func (s *fakeSource) Stop() error {
	fakes.stopped.Add(1)
	return nil
}

func (s *fakeSource) Status() any { return map[string]string{"state": "seeing nothing"} }

// UnmarshalCaddyfile reads: fake [<fail>]
func (s *fakeSource) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		s.Fail = d.Val()
	}
	return nil
}

var _ Source = (*fakeSource)(nil)
