package caddymodule

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/calltap/calltap/internal/words"
)

// sourceNamespace holds the guest modules that can be words of the global option.
const sourceNamespace = "calltap.sources"

// parseGlobalOption reads one block of the global option. A Caddyfile may have several, for instance one in
// each imported file; they add up, and what can only be once is an error the second time.
func parseGlobalOption(d *caddyfile.Dispenser, existing any) (any, error) {
	var app App
	if earlier, ok := existing.(httpcaddyfile.App); ok {
		if err := json.Unmarshal(earlier.Value, &app); err != nil {
			return nil, fmt.Errorf("reading the earlier calltap block: %w", err)
		}
	}
	if err := app.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "calltap", Value: caddyconfig.JSON(app, nil)}, nil
}

// UnmarshalCaddyfile sets up the app. Syntax:
//
//	calltap {
//	    zipkin <url> {
//	        timeout <duration>
//	        compression auto|gzip|none
//	        header <name> <value>
//	    }
//	    statsd <host:port> {
//	        prefix <name>
//	        max_datagram <bytes>
//	        resolve_interval <duration>
//	    }
//	    log stdout|stderr|<file>
//	    store {
//	        max_spans <number>
//	        max_bytes <size>
//	    }
//	    queue {
//	        max_spans <number>
//	        max_bytes <size>
//	        max_batch <number>
//	        interval <duration>
//	    }
//	    link openstack
//	    trigger {
//	        osprofiler <placeholder>...
//	        key <placeholder>...
//	        limit <n>/s [burst <n>]
//	    }
//	    ...                         # how requests are traced: see Tracing.words
//	    keys {
//	        ...                     # see parseKeys
//	    }
//	    <source> ...                # rabbitmq, or any other module of calltap.sources
//	}
//
// Every block is optional, but not every sink: one of zipkin, statsd, log, store must be there. keys
// and sources may be given several times and add up.
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the option's name
	if d.NextArg() {
		return d.Errf("'calltap' takes only a block, found '%s'", d.Val())
	}
	known := a.words()
	return known.ParseOr(d, nil, func(d *caddyfile.Dispenser) error {
		if err := misplacedGlobally(d); err != nil {
			return err
		}
		return a.parseSource(d, known.Known())
	})
}

func (a *App) words() words.Block {
	return with(a.Tracing.words(), words.Block{
		"zipkin":  a.parseZipkin,
		"statsd":  a.parseStatsD,
		"log":     a.parseLog,
		"store":   a.parseStore,
		"queue":   a.parseQueue,
		"link":    a.parseLink,
		"keys":    a.parseKeys,
		"trigger": a.parseTrigger,
	})
}

func (a *App) parseZipkin(d *caddyfile.Dispenser) error {
	if a.Zipkin != nil {
		return twice(d)
	}
	a.Zipkin = new(ZipkinSink)
	if err := words.String(&a.Zipkin.URL)(d); err != nil {
		return err
	}
	if err := a.Zipkin.check(); err != nil {
		return d.WrapErr(err)
	}
	return words.Block{
		"timeout":     words.Duration(&a.Zipkin.Timeout),
		"compression": words.String(&a.Zipkin.Compression),
		"header":      setHeader(&a.Zipkin.Header),
	}.Parse(d, "zipkin", a.Zipkin.check)
}

func (a *App) parseStatsD(d *caddyfile.Dispenser) error {
	if a.StatsD != nil {
		return twice(d)
	}
	a.StatsD = new(StatsDSink)
	if err := words.String(&a.StatsD.Address)(d); err != nil {
		return err
	}
	if err := a.StatsD.check(); err != nil {
		return d.WrapErr(err)
	}
	return words.Block{
		"prefix":           words.String(&a.StatsD.Prefix),
		"max_datagram":     words.Count(&a.StatsD.MaxDatagram),
		"resolve_interval": words.Duration(&a.StatsD.ResolveInterval),
	}.Parse(d, "statsd", a.StatsD.check)
}

func (a *App) parseLog(d *caddyfile.Dispenser) error {
	if a.Log != nil {
		return twice(d)
	}
	a.Log = new(LogSink)
	return words.String(&a.Log.Output)(d)
}

func (a *App) parseStore(d *caddyfile.Dispenser) error {
	if a.Store != nil {
		return twice(d)
	}
	a.Store = new(StoreSink)
	if err := words.None(d); err != nil {
		return err
	}
	return words.Block{
		"max_spans": words.Count(&a.Store.MaxSpans),
		"max_bytes": words.Bytes(&a.Store.MaxBytes),
	}.Parse(d, "store", nil)
}

func (a *App) parseQueue(d *caddyfile.Dispenser) error {
	if a.Queue != nil {
		return twice(d)
	}
	a.Queue = new(QueueSettings)
	if err := words.None(d); err != nil {
		return err
	}
	return words.Block{
		"max_spans": words.Count(&a.Queue.MaxSpans),
		"max_bytes": words.Bytes(&a.Queue.MaxBytes),
		"max_batch": words.Count(&a.Queue.MaxBatch),
		"interval":  words.Duration(&a.Queue.Interval),
	}.Parse(d, "queue", nil)
}

func (a *App) parseLink(d *caddyfile.Dispenser) error {
	if a.Link != "" {
		return twice(d)
	}
	value, err := words.One(d)
	if err != nil {
		return err
	}
	if _, err := parseLink(value); err != nil {
		return d.WrapErr(err)
	}
	a.Link = value
	return nil
}

// parseTrigger reads who may force a trace.
func (a *App) parseTrigger(d *caddyfile.Dispenser) error {
	if a.Trigger != nil {
		return twice(d)
	}
	a.Trigger = new(Trigger)
	if err := words.None(d); err != nil {
		return err
	}
	block := words.Block{
		"osprofiler": parseList(&a.Trigger.OSProfiler, triggerKeys),
		"key":        parseList(&a.Trigger.Keys, triggerKeys),
		"limit": func(d *caddyfile.Dispenser) error {
			args := d.RemainingArgs()
			ok := len(args) > 0
			if ok {
				a.Trigger.Limit, ok = parseRate(args)
			}
			if !ok {
				return d.Err("want a rate such as: limit 10/s burst 20")
			}
			return nil
		},
	}
	if err := block.Parse(d, "trigger", a.Trigger.checkKeys); err != nil {
		return err
	}
	if err := a.Trigger.check(); err != nil { // of the whole: the order of its words is free
		return d.WrapErr(err)
	}
	return nil
}

// triggerKeys is what the words of trigger that take keys need.
const triggerKeys = "keys, each as {env.NAME} or {file.PATH}"

// parseSource hands the segment to the guest module that the word names.
func (a *App) parseSource(d *caddyfile.Dispenser, known []string) error {
	name := d.Val()
	sources := sourceWords()
	if !slices.Contains(sources, name) {
		return words.Unknown(d, "calltap", append(known, sources...))
	}
	module, err := caddyfile.UnmarshalModule(d, sourceNamespace+"."+name)
	if err != nil {
		return err
	}
	var warnings []caddyconfig.Warning
	raw := caddyconfig.JSONModuleObject(module, "source", name, &warnings)
	if len(warnings) > 0 {
		return d.Errf("%s: %s", name, warnings[0].Message)
	}
	a.SourcesRaw = append(a.SourcesRaw, raw)
	return nil
}

// sourceWords lists the guest modules that can read a Caddyfile.
func sourceWords() []string {
	var names []string
	for _, info := range caddy.GetModules(sourceNamespace) {
		if _, ok := info.New().(caddyfile.Unmarshaler); ok {
			names = append(names, strings.TrimPrefix(string(info.ID), sourceNamespace+"."))
		}
	}
	return names
}

func twice(d *caddyfile.Dispenser) error {
	return d.Errf("'%s' is given twice; one calltap has one", d.Val())
}

// once sets dst to the only value, of a word that may stand only once.
func once(dst *string) words.Setter {
	return func(d *caddyfile.Dispenser) error {
		if *dst != "" {
			return twice(d)
		}
		return words.String(dst)(d)
	}
}

// Interface guard
var _ caddyfile.Unmarshaler = (*App)(nil)

func setHeader(dst *map[string]string) words.Setter {
	return func(d *caddyfile.Dispenser) error {
		var name, value string
		if !d.AllArgs(&name, &value) {
			return d.Err("'header' needs a name and a value, such as: header Authorization \"Bearer {env.TOKEN}\"")
		}
		if *dst == nil {
			*dst = make(map[string]string)
		}
		(*dst)[name] = value
		return nil
	}
}
