package store

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/calltap/calltap/span"
)

// Zipkin's defaults, and a bound of our own.
const (
	defaultLookback = 86_400_000 // a day, in milliseconds
	defaultLimit    = 10
	maxMillis       = 1 << 50 // beyond any span, so that a window computed from it cannot overflow
)

func parseQuery(r *http.Request) (*query, error) {
	var errs [5]error
	var minSet, maxSet bool
	var limit int64
	p := r.URL.Query()
	q := &query{
		service:     strings.ToLower(p.Get("serviceName")),
		remote:      strings.ToLower(p.Get("remoteServiceName")),
		span:        strings.ToLower(p.Get("spanName")),
		annotations: parseAnnotations(p.Get("annotationQuery")),
	}
	if q.span == "all" { // what Zipkin's page sends for "any"
		q.span = ""
	}
	q.minDuration, minSet, errs[0] = number(r, "minDuration", 0)
	q.maxDuration, maxSet, errs[1] = number(r, "maxDuration", 0)
	q.endTs, _, errs[2] = number(r, "endTs", time.Now().UnixMilli())
	q.lookback, _, errs[3] = number(r, "lookback", defaultLookback)
	limit, _, errs[4] = number(r, "limit", defaultLimit)
	q.limit = int(min(limit, 1<<30))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, badRequest(err.Error())
	}
	if err := q.validate(minSet, maxSet); err != nil {
		return nil, badRequest(err.Error())
	}
	q.endTs, q.lookback = min(q.endTs, maxMillis), min(q.lookback, maxMillis)
	return q, nil
}

func mandatory(r *http.Request, name string) (string, error) {
	p := r.URL.Query()
	if !p.Has(name) {
		return "", badRequest("Mandatory parameter/header/attribute is missing: " + name)
	}
	return p.Get(name), nil
}

// number reads a parameter; if it is missing, it is def.
func number(r *http.Request, name string, def int64) (n int64, set bool, err error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return def, false, nil
	}
	n, err = strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, true, badRequest(fmt.Sprintf("For input string: %q", text))
	}
	return n, true, nil
}

func parseIDs(text string) ([]span.TraceID, error) {
	if text == "" {
		return nil, badRequest("traceIds parameter is empty")
	}
	words := strings.Split(text, ",")
	if len(words) == 1 {
		return nil, badRequest("Use /api/v2/trace/{traceId} endpoint to retrieve a single trace")
	}
	seen := map[span.TraceID]bool{}
	ids := make([]span.TraceID, 0, len(words))
	for _, word := range words {
		id, err := parseID(word)
		if err != nil {
			return nil, err
		}
		if seen[id] {
			return nil, badRequest("redundant traceId: " + word)
		}
		seen[id] = true
		ids = append(ids, id)
	}
	return ids, nil
}

func parseID(hex string) (span.TraceID, error) {
	id, ok := span.ParseTraceID(hex)
	switch {
	case hex == "":
		return id, badRequest("traceId is empty")
	case len(hex) > 32:
		return id, badRequest("traceId.length > 32")
	case strings.Trim(hex, "0123456789abcdef") != "":
		return id, badRequest(hex + " should be lower-hex encoded with no prefix")
	case !ok:
		return id, badRequest("traceId is all zeros")
	}
	return id, nil
}

// shortID is how Zipkin writes an id: 16 digits if the others are zeros.
func shortID(id span.TraceID) string {
	if id.High == 0 {
		return id.String()[16:]
	}
	return id.String()
}
