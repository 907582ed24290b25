package store

import (
	"bufio"
	"errors"
	"net/http"
	"strings"

	"github.com/calltap/calltap/span"
)

// Handler serves Zipkin's v2 read API, for GET only, at the paths that follow /api/v2: /services,
// /spans, /remoteServices, /traces, /trace/{id}, /traceMany, /dependencies, /autocompleteKeys and
// /autocompleteValues. Put it anywhere with http.StripPrefix("/…/api/v2", h).
func (s *Store) Handler() http.Handler {
	routes := map[string]func(http.ResponseWriter, *http.Request) error{
		"/services":           s.getServices,
		"/spans":              s.getSpans,
		"/remoteServices":     s.getRemoteServices,
		"/traces":             s.getTraces,
		"/traceMany":          s.getTraceMany,
		"/dependencies":       s.getDependencies,
		"/autocompleteKeys":   getNothing,
		"/autocompleteValues": getAutocompleteValues,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		get, ok := routes[r.URL.Path]
		if id, isTrace := strings.CutPrefix(r.URL.Path, "/trace/"); isTrace && id != "" {
			get, ok = func(w http.ResponseWriter, _ *http.Request) error { return s.getTrace(w, id) }, true
		}
		switch {
		case !ok:
			http.Error(w, "404 Not Found", http.StatusNotFound)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "405 Method Not Allowed", http.StatusMethodNotAllowed)
		default:
			w.Header().Set("Cache-Control", "no-store") // an hour's traces may be gone in a minute
			answerError(w, get(w, r))
		}
	})
}

// notFound and badRequest carry a text to the client; any other error means that it has gone.
type (
	notFound   string
	badRequest string
)

func (e notFound) Error() string   { return string(e) }
func (e badRequest) Error() string { return string(e) }

func answerError(w http.ResponseWriter, err error) {
	var missing notFound
	var bad badRequest
	switch {
	case errors.As(err, &missing):
		http.Error(w, missing.Error(), http.StatusNotFound)
	case errors.As(err, &bad):
		http.Error(w, bad.Error(), http.StatusBadRequest)
	}
}

func (s *Store) getServices(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, s.names(func(sp *span.Span) string { return sp.Local.Service }))
}

func (s *Store) getSpans(w http.ResponseWriter, r *http.Request) error {
	return s.namesOf(w, r, func(sp *span.Span) string { return sp.Name })
}

func (s *Store) getRemoteServices(w http.ResponseWriter, r *http.Request) error {
	return s.namesOf(w, r, func(sp *span.Span) string { return sp.Remote.Service })
}

// namesOf answers with what pick finds in the spans of the service that is asked for.
func (s *Store) namesOf(w http.ResponseWriter, r *http.Request, pick func(*span.Span) string) error {
	service, err := mandatory(r, "serviceName")
	if err != nil {
		return err
	}
	service = strings.ToLower(service)
	return writeJSON(w, s.names(func(sp *span.Span) string {
		if service == "" || sp.Local.Service != service {
			return ""
		}
		return pick(sp)
	}))
}

func (s *Store) getTraces(w http.ResponseWriter, r *http.Request) error {
	q, err := parseQuery(r)
	if err != nil {
		return err
	}
	return writeTraces(w, s.search(q))
}

func (s *Store) getTrace(w http.ResponseWriter, hex string) error {
	id, err := parseID(hex)
	if err != nil {
		return err
	}
	spans := s.trace128(id, len(hex) <= 16)
	if len(spans) == 0 {
		return notFound(shortID(id) + " not found")
	}
	return write(w, func(buf *bufio.Writer) error { return writeSpans(buf, spans) })
}

// trace128 returns the spans with exactly this trace id. If there are none and half is set, any trace
// that ends in the id's low half will do.
func (s *Store) trace128(id span.TraceID, half bool) []span.Span {
	v, ok := s.find(id.Low)
	if !ok {
		return nil
	}
	groups := v.strict()
	for _, spans := range groups {
		if spans[0].TraceID == id {
			return spans
		}
	}
	if half {
		return groups[0]
	}
	return nil
}

func (s *Store) getTraceMany(w http.ResponseWriter, r *http.Request) error {
	text, err := mandatory(r, "traceIds")
	if err != nil {
		return err
	}
	ids, err := parseIDs(text)
	if err != nil {
		return err
	}
	traces := [][]span.Span{}
	for _, id := range ids {
		if spans := s.trace128(id, false); len(spans) > 0 {
			traces = append(traces, spans)
		}
	}
	return writeTraces(w, traces)
}

func (s *Store) getDependencies(w http.ResponseWriter, r *http.Request) error {
	if _, err := mandatory(r, "endTs"); err != nil {
		return err
	}
	endTs, _, err := number(r, "endTs", 0)
	if err != nil {
		return err
	}
	lookback, _, err := number(r, "lookback", defaultLookback)
	switch {
	case err != nil:
		return err
	case endTs <= 0:
		return badRequest("endTs <= 0")
	case lookback <= 0:
		return badRequest("lookback <= 0")
	}
	return writeJSON(w, s.dependencies(endTs, lookback))
}

func getNothing(w http.ResponseWriter, _ *http.Request) error { return writeJSON(w, []string{}) }

func getAutocompleteValues(w http.ResponseWriter, r *http.Request) error {
	key, err := mandatory(r, "key")
	if err == nil && key == "" {
		err = badRequest("key was empty")
	}
	if err != nil {
		return err
	}
	return getNothing(w, r)
}
