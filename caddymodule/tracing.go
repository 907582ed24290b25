package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// Tracing is how HTTP requests are traced. The app's holds for all sites; what a site says itself goes
// before it, field by field.
type Tracing struct {
	// Extract lists the forms of trace context that are read from requests, the first that is there and
	// well-formed counts: `w3c`, `b3`, `b3_multi`, `tomograph`, `osprofiler`, `uber`, `sw8`, `datadog`. An empty
	// list reads none. `osprofiler` needs a key, see Trigger, and is read before all others. Default: `w3c`, `b3`, `b3_multi`.
	Extract []string `json:"extract,omitzero"`

	// Clear lists the forms that are removed from the request that goes on, so that no next hop hangs off the caller's
	// span. What is injected is replaced whatever this says. Default: `w3c`, `b3`, `b3_multi` and what is in Extract, but
	// `tomograph` and `osprofiler`, whose readers want them unchanged; nothing if nothing is injected.
	Clear []string `json:"clear,omitzero"`

	// Inject lists the forms that the request that goes on gets: `w3c`, `b3`, `b3_multi`. Each costs time at every hop.
	// Default: `w3c`, `b3`.
	Inject []string `json:"inject,omitzero"`

	// TrustedProxies are the peers whose trace headers are believed, as CIDR ranges, single addresses or
	// the word `private_ranges` (which includes loopback). The trace of any other peer begins
	// anew; the id that it sent is kept as the tag `calltap.untrusted_trace_id`. An empty list that is
	// given (`[]`, or `none` in the Caddyfile) trusts nobody. Default: the server's own trusted_proxies if it
	// has them, else `private_ranges`.
	TrustedProxies []string `json:"trusted_proxies,omitzero"`

	// Sample is the share of new traces that are recorded, from 0 to 1. The decision follows from the
	// trace id, so that every calltap of a system makes the same one. Metrics count every request whatever
	// this says. Default: 1.
	Sample *float64 `json:"sample,omitempty"`

	// SampleRate bounds how many new traces are recorded a second, of those that Sample lets through. Default: no bound.
	SampleRate *Rate `json:"sample_rate,omitempty"`

	// SampleParent says whether a trusted caller's decision goes before Sample and SampleRate. Default: true.
	SampleParent *bool `json:"sample_parent,omitempty"`

	// KeepErrors records a request that failed even if it was not sampled, with its RPC.
	KeepErrors *bool `json:"keep_errors,omitempty"`

	// KeepStatus does the same for these statuses: `5xx`, `429`. An empty list that is given (`[]`, or `none` in the Caddyfile) is
	// for no status, though the app's says otherwise.
	KeepStatus []string `json:"keep_status,omitzero"`

	// KeepSlower does the same for requests that took as long or longer. Below 0 (`off` in the Caddyfile) it does it for none, though
	// the app's says otherwise.
	KeepSlower caddy.Duration `json:"keep_slower,omitempty"`

	// UpstreamSpans gives each attempt of `reverse_proxy` to reach an upstream a CLIENT span: `on`, or `own`, which
	// also gives each attempt its own `traceparent` and needs the transport `calltap`. Default: `off`.
	UpstreamSpans string `json:"upstream_spans,omitempty"`

	// Tags are put on the spans of requests, in order; a site's come after the app's.
	Tags []Tag `json:"tags,omitempty"`

	// Query says which values of the query string the tag http.query shows. Default: there is no such tag.
	Query *Query `json:"query,omitempty"`

	// ResponseHeader is the name of a response header that tells clients the trace id. Default: none.
	ResponseHeader string `json:"response_header,omitempty"`
}

// Rate is a token bucket.
type Rate struct {
	// PerSecond is how many it lets through each second, above 0.
	PerSecond float64 `json:"per_second"`
	// Burst is how many it lets through at once. Default: one second's worth, at least 1.
	Burst int `json:"burst,omitempty"`
}

// Tag is a tag of one's own.
type Tag struct {
	// Name is the tag's. It takes the place of calltap's own of that name.
	Name string `json:"name"`
	// Value may hold Caddy's placeholders, evaluated after the response. An empty result gives no tag.
	Value string `json:"value"`
	// On limits the tag to these statuses: `5xx`, `404`. Default: all.
	On []string `json:"on,omitempty"`
}

// Query says what of a query string may be shown. What is not named is shown as its name with the value
// `REDACTED`, and a name that looks like an id or a secret not at all.
type Query struct {
	Keep   []string `json:"keep,omitempty"`   // values shown as they are
	Redact []string `json:"redact,omitempty"` // not shown whatever else says
	Hash   []string `json:"hash,omitempty"`   // shown as a keyed hash, so that equal ones can be found
}

// Trigger is who may force the trace of a single request, whatever is sampled, by a signed header.
type Trigger struct {
	// OSProfiler are keys of OSProfiler's headers `X-Trace-Info` and `X-Trace-HMAC`, as `openstack --os-profile KEY`
	// signs them. Only placeholders: `{env.NAME}`, `{file.PATH}`.
	OSProfiler []string `json:"osprofiler,omitempty"`

	// Keys are keys of the header `X-Calltap-Trigger`, which `calltap trigger` makes and which expires. Only
	// placeholders, of at least 16 bytes each.
	Keys []string `json:"keys,omitempty"`

	// Limit bounds the traces that are forced. Default: 10 a second.
	Limit *Rate `json:"limit,omitempty"`
}

// check finds what cannot be meant, keys in plain sight above all: `GET /config` would show them.
func (t *Trigger) check() error {
	if len(t.OSProfiler)+len(t.Keys) == 0 {
		return errors.New("trigger: without a key nobody can trigger; write key {env.NAME} or osprofiler {env.NAME}")
	}
	if err := t.checkKeys(); err != nil {
		return err
	}
	return checkRate("trigger: limit", t.Limit)
}

func (t *Trigger) checkKeys() error {
	for _, key := range slices.Concat(t.OSProfiler, t.Keys) {
		if !isSecretPlaceholder(key) {
			return errors.New("trigger: a key stands in the configuration itself, where anyone can read it; write {env.NAME} or {file.PATH}")
		}
	}
	return nil
}

// isSecretPlaceholder reports whether word is one placeholder for what is kept elsewhere, and nothing around it.
func isSecretPlaceholder(word string) bool {
	return (strings.HasPrefix(word, "{env.") || strings.HasPrefix(word, "{file.")) && strings.IndexByte(word, '}') == len(word)-1
}

// over gives the settings of a site within those of its app.
func (t Tracing) over(app Tracing) Tracing {
	or := func(site *[]string, all []string) {
		if *site == nil {
			*site = all
		}
	}
	or(&t.Extract, app.Extract)
	or(&t.Clear, app.Clear)
	or(&t.Inject, app.Inject)
	or(&t.TrustedProxies, app.TrustedProxies)
	or(&t.KeepStatus, app.KeepStatus)
	if t.Sample == nil && t.SampleRate == nil { // together they are one decision
		t.Sample, t.SampleRate = app.Sample, app.SampleRate
	}
	if t.SampleParent == nil {
		t.SampleParent = app.SampleParent
	}
	if t.KeepErrors == nil {
		t.KeepErrors = app.KeepErrors
	}
	if t.KeepSlower == 0 {
		t.KeepSlower = app.KeepSlower
	}
	if t.UpstreamSpans == "" {
		t.UpstreamSpans = app.UpstreamSpans
	}
	t.Tags = slices.Concat(app.Tags, t.Tags)
	if t.Query == nil {
		t.Query = app.Query
	}
	if t.ResponseHeader == "" {
		t.ResponseHeader = app.ResponseHeader
	}
	return t
}

// check finds what cannot be meant. Each of its errors says what to write instead.
func (t *Tracing) check() error {
	return errors.Join(
		checkForms("extract", t.Extract, readable),
		checkForms("clear", t.Clear, readable),
		checkForms("inject", t.Inject, writable),
		checkShare(t.Sample),
		checkRate("sample rate", t.SampleRate),
		checkStatuses("keep_status", t.KeepStatus),
		checkUpstreamSpans(t.UpstreamSpans),
		checkTags(t.Tags),
		checkHeaderName("response_header", t.ResponseHeader),
		checkReply(t.ResponseHeader),
	)
}

// The forms of trace context.
var (
	readable = []string{"w3c", "b3", "b3_multi", "tomograph", "osprofiler", "uber", "sw8", "datadog"}
	writable = []string{"w3c", "b3", "b3_multi"}
)

func checkForms(word string, forms, known []string) error {
	for i, form := range forms {
		switch {
		case slices.Contains(forms[:i], form):
			return fmt.Errorf("%s: '%s' is given twice", word, form)
		case slices.Contains(known, form):
		case slices.Contains(readable, form):
			return fmt.Errorf("%s: '%s' can be read and cleared, not written; want %s", word, form, strings.Join(known, ", "))
		default:
			return fmt.Errorf("%s: unknown form '%s'; want %s", word, form, strings.Join(known, ", "))
		}
	}
	return nil
}

func checkShare(share *float64) error {
	if share != nil && !(*share >= 0 && *share <= 1) {
		return fmt.Errorf("sample: %v is no share from 0 to 1", *share)
	}
	return nil
}

func checkRate(word string, r *Rate) error {
	if r != nil && (!(r.PerSecond > 0 && r.PerSecond <= 1e9) || r.Burst < 0) {
		return fmt.Errorf("%s: want a number above 0 a second, such as 50/s", word)
	}
	return nil
}

func checkStatuses(word string, statuses []string) error {
	for _, s := range statuses {
		if _, _, err := parseStatuses(s); err != nil {
			return fmt.Errorf("%s: %w", word, err)
		}
	}
	return nil
}

// parseStatuses reads a status or a class of them, as the first and the last that it means.
func parseStatuses(word string) (from, to int, err error) {
	if len(word) == 3 && word[0] >= '1' && word[0] <= '5' {
		if word[1:] == "xx" {
			from = 100 * int(word[0]-'0')
			return from, from + 99, nil
		}
		if code, err := strconv.Atoi(word); err == nil {
			return code, code, nil
		}
	}
	return 0, 0, fmt.Errorf("'%s' is no status; want one such as 404, or a class such as 5xx", word)
}

func checkUpstreamSpans(word string) error {
	switch word {
	case "", "off", "on", "own":
		return nil
	}
	return fmt.Errorf("upstream_spans: '%s'; want on, off or own", word)
}

func checkTags(tags []Tag) error {
	for _, tag := range tags {
		if tag.Name == "" || len(tag.Name) > 128 {
			return fmt.Errorf("tag '%s': want a name of 1 to 128 bytes", tag.Name)
		}
		if err := checkStatuses("tag "+tag.Name+": on", tag.On); err != nil {
			return err
		}
		if err := refuseSecrets(tag.Name, longhand(tag.Value)); err != nil {
			return err
		}
	}
	return nil
}

// checkReply refuses headers that say how the response is to be read.
func checkReply(name string) error {
	switch name = http.CanonicalHeaderKey(name); {
	case strings.HasPrefix(name, "Content-"), slices.Contains([]string{"Transfer-Encoding", "Connection", "Trailer", "Upgrade", "Date", "Vary",
		"Set-Cookie", "Location"}, name):
		return fmt.Errorf("response_header: '%s' means something else to clients; want a name of its own, such as X-Trace-Id", name)
	}
	return nil
}

func checkHeaderName(word, name string) error {
	if strings.ContainsFunc(name, func(r rune) bool {
		return r > '~' || r <= ' ' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	}) {
		return fmt.Errorf("%s: '%s' is no header's name", word, name)
	}
	return nil
}

// provisionTracing makes what the site's requests are traced by.
func (h *Handler) provisionTracing(app Tracing) (err error) {
	h.site = h.Tracing.over(app)
	if err := h.site.check(); err != nil {
		return err
	}
	if err := checkProfiler(h.site.Extract, h.state.trigger); err != nil {
		return err
	}
	h.contexts = newContexts(&h.site, h.state.tracer.Link)
	if h.trust, err = newTrust(h.site.TrustedProxies); err != nil {
		return err
	}
	if err = h.provisionSampling(); err != nil {
		return err
	}
	h.query = newQuery(h.site.Query)
	h.replyName = canonicalOrNone(h.site.ResponseHeader)
	h.tags, err = newTags(h.site.Tags)
	return err
}
