package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"

	"github.com/calltap/calltap/emit/stats"
	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/spanbuilder"
)

// Provision checks the settings and takes hold of what outlives them. It dials nothing and opens no
// file, as it also runs for `caddy validate`: the sinks connect when there is something to send.
func (a *App) Provision(ctx caddy.Context) error {
	st := &state{logger: ctx.Logger()}
	a.state = st // also if all fails, for Cleanup

	rules, err := keyrules.Compile(a.Keys)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	st.warnOf(rules, nil)
	if _, err = newTrust(a.TrustedProxies); err != nil {
		return err
	}
	if err := a.checkSettings(); err != nil {
		return err
	}
	link, err := parseLink(a.Link)
	if err != nil {
		return err
	}
	sinks, err := a.resolveSinks(caddy.NewReplacer())
	if err != nil {
		return err
	}
	if err := st.acquire(sinks); err != nil {
		return err
	}
	if st.trigger, err = newChecker(a.Trigger, caddy.NewReplacer(), &st.shared.guard); err != nil {
		return err
	}
	if err := checkProfiler(a.Extract, st.trigger); err != nil {
		return err
	}
	// each configuration has a registry of its own, so nothing needs to be taken out of it again
	if err := ctx.GetMetricsRegistry().Register(stats.New(st.pipeline.Status)); err != nil {
		return fmt.Errorf("registering the metrics: %w", err)
	}
	if err := a.loadSources(ctx); err != nil {
		return err
	}
	if st.keep, err = newKeep(&a.Tracing); err != nil {
		return err
	}
	st.keeps = st.keep != nil
	st.tracer = &spanbuilder.Tracer{
		Rules:      rules,
		Head:       newHead(&a.Tracing),
		Link:       link,
		Links:      st.shared.links,
		Sink:       controlledSink{st},
		HasSources: len(st.sources) > 0,
	}
	return nil
}

func (a *App) checkSettings() error {
	if err := a.Tracing.check(); err != nil {
		return err
	}
	if a.Trigger != nil {
		if err := a.Trigger.check(); err != nil {
			return err
		}
	}
	if a.Zipkin == nil && a.StatsD == nil && a.Log == nil && a.Store == nil {
		return errors.New("calltap has no sink: add at least one of zipkin, statsd, log, store " +
			"('store' alone keeps traces in memory for 'calltap trace list')")
	}
	return nil
}

func (a *App) sample() float64 {
	if a.Sample == nil {
		return 1
	}
	return *a.Sample
}

func parseLink(word string) (spanbuilder.Link, error) {
	switch word {
	case "":
		return spanbuilder.LinkNone, nil
	case "openstack":
		return spanbuilder.LinkOpenStack, nil
	default:
		return 0, fmt.Errorf("link: unknown way '%s', there is only 'openstack'", word)
	}
}

func (a *App) loadSources(ctx caddy.Context) error {
	if len(a.SourcesRaw) == 0 {
		return nil
	}
	names, err := sourceNames(a.SourcesRaw)
	if err != nil {
		return err
	}
	modules, err := ctx.LoadModule(a, "SourcesRaw")
	if err != nil {
		return fmt.Errorf("loading sources: %w", err)
	}
	for i, module := range modules.([]any) {
		source, ok := module.(Source)
		if !ok {
			return fmt.Errorf("module %s.%s is no calltap source", sourceNamespace, names[i])
		}
		a.state.sources = append(a.state.sources, namedSource{names[i], source})
	}
	return nil
}

// sourceNames reads the inline keys, which Caddy removes when it loads the modules.
func sourceNames(raw []json.RawMessage) ([]string, error) {
	names := make([]string, len(raw))
	for i := range raw {
		var named struct {
			Source string `json:"source"`
		}
		if err := json.Unmarshal(raw[i], &named); err != nil {
			return nil, fmt.Errorf("source %d: %w", i, err)
		}
		names[i] = named.Source
	}
	return names, nil
}

// Start opens the log and lets the sources begin. From here on the admin API shows this configuration.
func (a *App) Start() error {
	st := a.state
	if err := st.pipeline.open(); err != nil {
		return err
	}
	for i, source := range st.sources {
		if err := source.Start(st.tracer); err != nil {
			for _, started := range st.sources[:i] {
				err = errors.Join(err, started.Stop())
			}
			return fmt.Errorf("starting source %s: %w", source.name, err)
		}
	}
	st.findInner()
	st.started = true
	running.add(a)
	return nil
}

// Stop stops the sources. The sinks stay open: Caddy stops its apps in no order, so requests may
// still be coming in. Cleanup closes them.
func (a *App) Stop() error {
	running.remove(a)
	var errs []error
	for _, source := range a.state.sources {
		if err := source.Stop(); err != nil {
			errs = append(errs, fmt.Errorf("stopping source %s: %w", source.name, err))
		}
	}
	return errors.Join(errs...)
}

// Cleanup gives back what Provision took. On a reload Caddy does not wait for requests under way, so
// they are waited for in the background, and a sink that the new configuration does not have is flushed
// and closed after the last of them. When the process exits all this is done before Cleanup returns.
func (a *App) Cleanup() error {
	if a.state != nil {
		a.state.release(caddy.Exiting())
	}
	return nil
}
