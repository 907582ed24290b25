package caddymodule

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/calltap/calltap/control"
	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/sampling"
	"github.com/calltap/calltap/spanbuilder"
	"github.com/calltap/calltap/trigger"
)

// What a configuration uses and does not own. Caddy provisions a new configuration before it cleans
// up the old one, so what both want is never without a holder between them.
var (
	pipelines = caddy.NewUsagePool() // *pipeline by the settings of all sinks
	stores    = caddy.NewUsagePool() // *sharedStore by its settings
	shareds   = caddy.NewUsagePool() // *shared by sharedKey
)

const sharedKey = "calltap"

// How long things are waited for. At exit all of it, and what the
// sources take, must stay below the 10 seconds after which service managers and operators lose patience.
const (
	lingerRequests = 10 * time.Minute // for requests under way, after a reload
	lingerIdle     = time.Second      // for requests that an old server accepts in its last moment
	exitRequests   = time.Second      // for requests under way, at exit: Caddy has waited for them already
	exitFlush      = 3 * time.Second  // for the sinks to take what is queued, at exit
	exitReleases   = 2 * time.Second  // for reloads of a moment ago to finish, at exit
	reloadFlush    = 30 * time.Second // for a sink that the new configuration does not have
)

// state is what one loaded configuration works with.
type state struct {
	logger   *zap.Logger
	tracer   *spanbuilder.Tracer
	trigger  *trigger.Checker // nil: none is configured
	sources  []namedSource
	sites    []*enlisted // in the order in which Caddy provisioned them
	requests inFlight
	keep     *sampling.Keep // the app's, for RPC; nil: nothing is kept for how it ended
	keeps    bool           // something is, here or at a site
	started  bool

	pipeline *pipeline
	store    *sharedStore // nil without the sink
	*shared
	releases []func() // of what acquire took, in order
}

// warnOf logs what cannot be meant of the rules that were written: the app's, or a site's own. That a site's
// rules hide the app's is their purpose.
func (st *state) warnOf(rules *keyrules.Set, written []keyrules.Rule) {
	for _, w := range rules.Warnings() {
		own := slices.ContainsFunc(written, func(r keyrules.Rule) bool { return w.Where == fmt.Sprintf("%s:%d", r.File, r.Line) })
		if own || written == nil {
			st.logger.Warn("rules: "+w.Text, zap.String("at", w.Where))
		}
	}
}

type namedSource struct {
	name string
	Source
}

// shared is what all configurations of the process have in common.
type shared struct {
	links        *spanbuilder.Links
	control      control.Table // what an operator changed since the start
	holder       sampling.Holder
	guard        trigger.Guard
	rejected     rejections
	faults       atomic.Int64 // panics of our own that requests survived
	untrusted    atomic.Int64 // trace headers of peers that are not believed
	headerFaults headerFaults
}

// Destruct implements caddy.Destructor.
func (s *shared) Destruct() error {
	s.control.Close()
	return nil
}

// acquire takes the state's share of the pools.
func (st *state) acquire(sinks *sinkSettings) error {
	value, _, err := shareds.LoadOrNew(sharedKey, func() (caddy.Destructor, error) {
		return &shared{links: spanbuilder.NewLinks(0)}, nil
	})
	if err != nil {
		return err
	}
	st.shared = value.(*shared)
	st.onRelease(shareds, sharedKey)

	if sinks.Store != nil {
		key := sinks.storeKey()
		value, _, err := stores.LoadOrNew(key, func() (caddy.Destructor, error) { return newSharedStore(sinks.Store), nil })
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		st.store = value.(*sharedStore)
		st.onRelease(stores, key)
	}

	key := sinks.key()
	value, _, err = pipelines.LoadOrNew(key, func() (caddy.Destructor, error) {
		return newPipeline(sinks, st.store, caddy.Log().Named("calltap"))
	})
	if err != nil {
		return err
	}
	st.pipeline = value.(*pipeline)
	st.onRelease(pipelines, key)
	return nil
}

func (st *state) onRelease(pool *caddy.UsagePool, key string) {
	st.releases = append(st.releases, func() {
		if _, err := pool.Delete(key); err != nil {
			st.logger.Error("releasing", zap.Error(err))
		}
	})
}

// release gives everything back, the pipeline before what it writes to.
func (st *state) release(exiting bool) {
	giveBack := func() {
		for _, release := range slices.Backward(st.releases) {
			release()
		}
		st.releases = nil
	}
	switch {
	case !st.started: // no request has come by
		giveBack()
	case exiting:
		st.pipeline.exiting.Store(true)
		st.requests.wait(exitRequests, 0)
		giveBack()
	default:
		background.run(func() {
			st.requests.wait(lingerRequests, lingerIdle)
			giveBack()
		})
	}
}
