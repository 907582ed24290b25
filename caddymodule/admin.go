package caddymodule

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// adminBase is where the admin endpoint serves calltap.
const adminBase = "/calltap/"

// adminAPI answers questions about the running configuration, and switches tracing.
//
//	GET /calltap/status        books of the sinks, sources, settings
//	GET /calltap/keys          calls that no rule matches, and keys that had no room
//	GET /calltap/control       what was switched
//	POST /calltap/control      a control.Switch, with "for" as a length of time
//	GET /calltap/api/v2/...    Zipkin's read API over the store
//
// Caddy makes admin modules before apps, and keeps them when a new configuration fails to start, so the
// app is looked up anew for each request.
type adminAPI struct{}

// CaddyModule returns the Caddy module information.
func (adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.calltap",
		New: func() caddy.Module { return new(adminAPI) },
	}
}

// Routes implements caddy.AdminRouter.
func (a adminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: adminBase, Handler: caddy.AdminHandlerFunc(a.serve)}}
}

func (a adminAPI) serve(w http.ResponseWriter, r *http.Request) error {
	path := strings.TrimPrefix(r.URL.Path, strings.TrimSuffix(adminBase, "/"))
	if r.Method != http.MethodGet && r.Method != http.MethodHead && (r.Method != http.MethodPost || path != "/control") {
		return apiError(http.StatusMethodNotAllowed, "calltap's admin API only answers GET; POST is for /calltap/control")
	}
	app := running.newest()
	if app == nil {
		return apiError(http.StatusNotFound, "no configuration with calltap is running")
	}
	switch {
	case path == "/control":
		return serveControl(app.state, w, r)
	case path == "/status":
		return writeJSON(w, app.status())
	case path == "/keys":
		return writeJSON(w, keysOf(app.state.tracer.Rules))
	case strings.HasPrefix(path, "/api/v2/"):
		return serveStore(app.state.store, w, r)
	default:
		return apiError(http.StatusNotFound, "there is /calltap/status, /calltap/keys, /calltap/control and /calltap/api/v2/")
	}
}

// serveStore lets the store answer, if there is one.
func serveStore(store *sharedStore, w http.ResponseWriter, r *http.Request) error {
	if store == nil {
		return apiError(http.StatusNotFound, "calltap keeps no traces here: add 'store' to the global option calltap, or ask the Zipkin that it sends to")
	}
	store.reader.ServeHTTP(w, r)
	return nil
}

func writeJSON(w http.ResponseWriter, value any) error {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(value)
}

func apiError(status int, text string) error {
	return caddy.APIError{HTTPStatus: status, Err: errors.New(text)}
}

// Interface guard
var _ caddy.AdminRouter = (*adminAPI)(nil)
