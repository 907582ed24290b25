package caddymodule

import (
	"encoding/json"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/spanbuilder"
)

func init() {
	caddy.RegisterModule(App{})
	caddy.RegisterModule(new(Handler))
	caddy.RegisterModule(Skip{})
	caddy.RegisterModule(Transport{})
	caddy.RegisterModule(adminAPI{})
	caddy.OnExit(waitForReleases)
	httpcaddyfile.RegisterGlobalOption("calltap", parseGlobalOption)
	httpcaddyfile.RegisterHandlerDirective("calltap", parseDirective)
	httpcaddyfile.RegisterHandlerDirective("calltap_skip", parseSkip)
	// tracing is the first of Caddy's own directives, so nothing that answers stands outside ours; and calltap comes to
	// stand between calltap_skip and it.
	httpcaddyfile.RegisterDirectiveOrder("calltap_skip", httpcaddyfile.Before, "tracing")
	httpcaddyfile.RegisterDirectiveOrder("calltap", httpcaddyfile.Before, "tracing")
}

// App is calltap's one pipeline for all sites and all sources of a configuration: where spans go,
// what they are called, which callers may continue a trace. It needs at least one sink: Zipkin,
// StatsD, log or store.
//
// A whole configuration in JSON:
//
//	{
//		"apps": {
//			"calltap": {
//				"zipkin": {"url": "http://127.0.0.1:9411/api/v2/spans"},
//				"statsd": {"address": "127.0.0.1:8125", "prefix": "openstack"},
//				"log": {"output": "stdout"},
//				"store": {"max_spans": 100000},
//				"sample": 0.1,
//				"link": "openstack",
//				"trusted_proxies": ["private_ranges"],
//				"keys": {"rules": [{"methods": ["GET"], "path": "/ping", "ignore": true}]},
//				"sources": [{"source": "rabbitmq", "url": "amqp://tap:{env.TAP_PASSWORD}@127.0.0.1:5672/", "firehose": true}]
//			}
//		}
//	}
//
// Secrets belong into the environment: `{env.NAME}` and `{file.PATH}` in an address are replaced
// when the configuration is loaded, and the value is never shown again, neither by the admin API nor in the log.
//
// What outlives a reload: the queues, sockets and books of the sinks as long as their settings stay
// the same, the store with its traces as long as its own do, and the table that links RPC to the
// HTTP requests that caused it. Rules, sampling and trust change at once for new requests; a
// request that is under way keeps those it began with.
type App struct {
	// Zipkin sends every sampled span to a server that understands Zipkin's v2 JSON.
	Zipkin *ZipkinSink `json:"zipkin,omitempty"`

	// StatsD sends a timer and counters a span, sampled or not.
	StatsD *StatsDSink `json:"statsd,omitempty"`

	// Log writes every sampled span as one line of JSON.
	Log *LogSink `json:"log,omitempty"`

	// Store keeps the newest sampled spans in memory, for `calltap trace list` and the admin API.
	Store *StoreSink `json:"store,omitempty"`

	// Queue bounds what waits for a sink that is slow or away.
	Queue *QueueSettings `json:"queue,omitempty"`

	// Link says how RPC messages that carry no trace headers find their trace. `openstack` sends
	// the trace id upstream as `X-OpenStack-Request-ID`, which OpenStack's services pass on in every
	// RPC and onward request. Default: only trace headers link.
	Link string `json:"link,omitempty"`

	// Tracing is that of all sites; see there.
	Tracing

	// Trigger lets who has a key force the trace of a request.
	Trigger *Trigger `json:"trigger,omitempty"`

	// Keys are the rules that name calls. Without any, names come from the shape of the path.
	Keys keyrules.Config `json:"keys,omitzero"`

	// SourcesRaw are what shows calls other than HTTP requests through this server, each a module of
	// the namespace `calltap.sources`.
	SourcesRaw []json.RawMessage `json:"sources,omitempty" caddy:"namespace=calltap.sources inline_key=source"`

	state *state // what Provision made; nil before
}

// ZipkinSink is a server that takes spans as Zipkin v2 JSON over HTTP: Zipkin itself, Jaeger, the
// OpenTelemetry Collector. While it is away spans wait in a bounded queue, then the oldest are dropped and counted.
type ZipkinSink struct {
	// URL takes the POSTs, e.g. `http://127.0.0.1:9411/api/v2/spans`.
	URL string `json:"url"`

	// Timeout bounds one POST, from dialling to the end of the answer. Default: 10s.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// Compression of the POSTs: `gzip`, `none` or `auto`, which compresses unless the server is on
	// this machine. Default: `auto`.
	Compression string `json:"compression,omitempty"`

	// Header is sent with each POST, for a collector that wants an Authorization. Placeholders
	// keep its value out of the configuration.
	Header map[string]string `json:"header,omitempty"`
}

// StatsDSink is a StatsD server, reached by UDP: a server that is away or slow is never felt.
type StatsDSink struct {
	// Address is host:port. A name is looked up again while the sink runs.
	Address string `json:"address"`

	// Prefix goes before each metric's name, with a dot. Default: none.
	Prefix string `json:"prefix,omitempty"`

	// MaxDatagram bounds a datagram, in bytes. Default: 1432, which passes any Ethernet unfragmented, and
	// 8192 if the server is on this machine.
	MaxDatagram int `json:"max_datagram,omitempty"`

	// ResolveInterval is how often a name in the address is looked up again. Default: 30s.
	ResolveInterval caddy.Duration `json:"resolve_interval,omitempty"`
}

// LogSink is a stream of JSON lines, each a span in Zipkin's v2 form.
type LogSink struct {
	// Output is `stdout`, `stderr` or the name of a file to append to.
	Output string `json:"output"`
}

// StoreSink keeps spans in this process's memory and answers Zipkin's v2 read API under the admin
// endpoint, at `/calltap/api/v2/`. It survives reloads, not restarts.
type StoreSink struct {
	// MaxSpans is how many spans are kept; the oldest trace goes first. Default: 100000.
	MaxSpans int `json:"max_spans,omitempty"`

	// MaxBytes is how much memory they may take. Default: 64 MiB.
	MaxBytes int64 `json:"max_bytes,omitempty"`
}

// QueueSettings bound the spans that wait for a sink. Each sink has a queue of its own, and the sinks
// share the memory of a span. A queue that is full loses its oldest spans, and counts them.
type QueueSettings struct {
	// MaxSpans is how many spans may wait for one sink. Default: 65536.
	MaxSpans int `json:"max_spans,omitempty"`

	// MaxBytes is how much memory they may take, about. Default: 64 MiB.
	MaxBytes int64 `json:"max_bytes,omitempty"`

	// MaxBatch is the most spans that are sent at once. Default: 1000.
	MaxBatch int `json:"max_batch,omitempty"`

	// Interval is how long a span waits for others to be sent with it. Default: 100ms.
	Interval caddy.Duration `json:"interval,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "calltap",
		New: func() caddy.Module { return new(App) },
	}
}

// Source shows calls other than HTTP requests. It is a Caddy module of the namespace
// `calltap.sources`; a module that also implements caddyfile.Unmarshaler has its name as a word of the
// global option.
type Source interface {
	// Start begins, or goes on, with t's rules and sink. It does not fail because a broker is away:
	// an error stops the whole configuration from loading.
	Start(t *spanbuilder.Tracer) error
	// Stop gives t back. What the source shares with a newer configuration goes on.
	Stop() error
	// Status is shown as JSON by the admin API. It holds no secret.
	Status() any
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
