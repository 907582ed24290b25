package caddymodule

import (
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

// In a site's block Caddy puts its own long names for the short ones that it knows, {http.request.method}
// for {method}, before a directive is asked; in the global block it does not. Rules read the same in
// both, so what was done is undone.
var (
	longNames = strings.NewReplacer(longToShort()...)
	longParts = regexp.MustCompile(`\{http\.request\.(header|uri\.path)\.([\w-]*)\}`)
)

// shortNames are those of Caddy's that may be a rule's, as one of calltap's names or of a capture's.
var shortNames = []string{"host", "hostport", "port", "method", "uri", "path", "dir", "file", "query", "remote",
	"remote_host", "remote_port", "scheme", "uuid", "client_ip"}

// longToShort asks Caddy itself what it makes of each.
func longToShort() (pairs []string) {
	replacer := httpcaddyfile.NewShorthandReplacer()
	for _, name := range shortNames {
		short := "{" + name + "}"
		segment := caddyfile.Segment{{Text: short}}
		replacer.ApplyToSegment(&segment)
		pairs = append(pairs, segment[0].Text, short)
	}
	return pairs
}

// restoreNames returns the segment that d stands on as the operator wrote it.
func restoreNames(d *caddyfile.Dispenser) *caddyfile.Dispenser {
	segment := d.NextSegment()
	for i := range segment {
		text := longNames.Replace(segment[i].Text)
		segment[i].Text = longParts.ReplaceAllStringFunc(text, func(long string) string {
			return "{" + strings.TrimPrefix(strings.TrimPrefix(long, "{http.request."), "uri.")
		})
	}
	restored := caddyfile.NewDispenser(segment)
	restored.Next()
	return restored
}
