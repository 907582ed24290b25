package twins

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"sort"
	"strings"
)

// headersOfOurs are the request headers that calltap is documented to add, replace and remove (docs/http.md).
var headersOfOurs = []string{"Traceparent", "Tracestate", "B3", "X-B3-Traceid", "X-B3-Spanid", "X-B3-Parentspanid", "X-B3-Sampled", "X-B3-Flags"}

// changing is what no two responses have in common.
var changing = []string{"Date", "Last-Modified", "Etag"}

var portText = regexp.MustCompile(`\b(localhost|127\.0\.0\.1):\d+`)

// requestText is what an answering side sees of a request.
func requestText(r *http.Request) string {
	host := portText.ReplaceAllString(r.Host, "$1:PORT")
	ip, _, _ := strings.Cut(r.RemoteAddr, ":")
	return fmt.Sprintf("%s %s %s %q host %s from %s length %d %v close %v tls %v\n%s", r.Method, r.RequestURI, r.URL, r.Proto, host, ip,
		r.ContentLength, r.TransferEncoding, r.Close, r.TLS != nil, headerText(r.Header, []string{tokenHeader}))
}

// headerText is a header as a multiset: by name, the values of a name in their order.
func headerText(h http.Header, without []string) string {
	var lines []string
	for name, values := range h {
		if slices.Contains(without, name) {
			continue
		}
		for _, value := range values {
			value = portText.ReplaceAllString(value, "$1:PORT")
			if name == "Alt-Svc" {
				value = regexp.MustCompile(`:\d+`).ReplaceAllString(value, ":PORT")
			}
			if name == "Trailer" { // names that Caddy takes from a map
				names := strings.Split(value, ", ")
				slices.Sort(names)
				value = strings.Join(names, ", ")
			}
			if name == "Sec-Websocket-Key" { // which Caddy throws dice for
				value = fmt.Sprintf("%d characters", len(value))
			}
			if len(value) > 200 {
				sum := sha256.Sum256([]byte(value))
				value = fmt.Sprintf("%q… %d bytes %x", value[:20], len(value), sum[:8])
			}
			lines = append(lines, fmt.Sprintf("  %s: %q", name, value))
		}
		if len(values) == 0 {
			lines = append(lines, "  "+name+" without value")
		}
	}
	sort.SliceStable(lines, func(i, j int) bool { return nameOf(lines[i]) < nameOf(lines[j]) })
	return strings.Join(lines, "\n")
}

func nameOf(line string) string {
	name, _, _ := strings.Cut(line, ":")
	return name
}

// without takes the lines of these headers out of what headerText and requestText wrote.
func without(text string, names []string) string {
	kept := slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool {
		name, _, _ := strings.Cut(strings.TrimPrefix(line, "  "), ":")
		return line == "" || strings.HasPrefix(line, "  ") && slices.Contains(names, name)
	})
	return strings.Join(kept, "\n")
}

// bodyText is a body as a failure can show it.
func bodyText(b []byte) string {
	sum := sha256.Sum256(b)
	return fmt.Sprintf("%d bytes %x %.60q", len(b), sum[:8], b)
}
