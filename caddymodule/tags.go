package caddymodule

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/calltap/calltap/span"
)

// maxTagValue bounds the value of a tag of one's own, in bytes.
const maxTagValue = 256

// ownTag is a Tag that is ready for use.
type ownTag struct {
	name, value string
	on          statuses
}

// statuses are ranges of them; none means all.
type statuses [][2]int

func newStatuses(words []string) (s statuses, err error) {
	for _, word := range words {
		from, to, err := parseStatuses(word)
		if err != nil {
			return nil, err
		}
		s = append(s, [2]int{from, to})
	}
	return s, nil
}

func (s statuses) has(status int) bool {
	for _, r := range s {
		if r[0] <= status && status <= r[1] {
			return true
		}
	}
	return false
}

// newTags compiles the tags of a site.
func newTags(tags []Tag) (own []ownTag, err error) {
	for _, t := range tags {
		on, err := newStatuses(t.On)
		if err != nil {
			return nil, fmt.Errorf("tag %s: %w", t.Name, err)
		}
		own = append(own, ownTag{t.Name, longhand(t.Value), on})
	}
	return own, nil
}

// longhand writes placeholders such as {header.X} out, which Caddy does in sites but not in global options.
func longhand(value string) string {
	segment := caddyfile.Segment{{Text: value}}
	httpcaddyfile.NewShorthandReplacer().ApplyToSegment(&segment)
	return segment[0].Text
}

// secretPlaceholders begin placeholders whose values nobody may see in a trace, in lower case.
var secretPlaceholders = []string{
	"{http.request.cookie.", "{http.request.body", "{http.request.tls.client.certificate_pem}", "{http.request.tls.client.certificate_der_base64}",
}

// headerPlaceholder is one of a header, of the request or a response.
var headerPlaceholder = regexp.MustCompile(`\{http\.(?:request|response|reverse_proxy|intercept)\.header\.([^}]*)\}`)

// secretHeaders end the names of headers that hold credentials, in lower case. The products that have one of their own are too many to
// list, and nearly all of them call it so.
var secretHeaders = []string{
	"authorization", "cookie", "cookie2", "token", "secret", "password", "passwd", "api-key", "apikey", "access-key", "signature",
	"credential", "credentials", "hmac", "x-calltap-trigger",
}

// queryPlaceholders begin those that hold values of a query string, which only Query lets through.
var queryPlaceholders = []string{
	"{http.request.uri}", "{http.request.uri.query", "{http.request.uri.prefixed_query}", "{http.request.uri_escaped}",
	"{http.request.orig_uri}", "{http.request.orig_uri.query", "{http.request.orig_uri.prefixed_query}",
	"{http.request.header.referer}", "{http.response.header.location}", "{http.reverse_proxy.header.location}",
	"{http.intercept.header.location}",
}

func refuseSecrets(name, value string) error {
	lower := strings.ToLower(value)
	secret := func(placeholder string) error {
		return fmt.Errorf("tag %s: %s is a secret, which a trace would show to anyone who can read traces", name, placeholder)
	}
	for _, p := range secretPlaceholders {
		if strings.Contains(lower, p) {
			return secret(p + "…")
		}
	}
	for _, m := range headerPlaceholder.FindAllStringSubmatch(lower, -1) {
		if slices.ContainsFunc(secretHeaders, func(end string) bool { return strings.HasSuffix(m[1], end) }) {
			return secret(m[0])
		}
	}
	for _, p := range queryPlaceholders {
		if strings.Contains(lower, p) {
			return fmt.Errorf("tag %s: %s… holds values of a query; name those that may be shown with: query { keep NAME }, "+
				"or take the path alone: {http.request.orig_uri.path}", name, p)
		}
	}
	return nil
}

// ownTags adds those of the site and of the calltaps within it.
func (q *request) ownTags(tags []span.Tag, r *http.Request, status int) []span.Tag {
	if q.postponed != nil {
		return q.postponed.tags(tags, r, status)
	}
	return q.siteTags(tags, r, status)
}

func (q *request) siteTags(tags []span.Tag, r *http.Request, status int) []span.Tag {
	tags = appendOwn(tags, q.handler.tags, r, status)
	if q.amended != nil {
		for _, h := range q.amended.shows { // without the app's, which the site may have said otherwise
			tags = appendOwn(tags, h.tags[len(h.tags)-len(h.Tags):], r, status)
		}
	}
	return tags
}

// appendOwn adds tags, evaluated now that the response is known. A name that is there already gets the new value.
func appendOwn(tags []span.Tag, own []ownTag, r *http.Request, status int) []span.Tag {
	if len(own) == 0 {
		return tags
	}
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return tags
	}
	for _, t := range own {
		if len(t.on) > 0 && !t.on.has(status) {
			continue
		}
		if value := cutText(repl.ReplaceAll(t.value, ""), maxTagValue); value != "" {
			tags = span.SetTag(tags, t.name, strings.Clone(value)) // a part of a request must not keep all of it
		}
	}
	return tags
}
