package caddymodule

import (
	"net/http"

	"github.com/calltap/calltap/emit/store"
)

// sharedStore is an emit/store that configurations with the same settings share. It has its own pool, beside that
// of the pipelines, so that traces survive a change of any other sink.
type sharedStore struct {
	*store.Store
	reader http.Handler // Zipkin's read API at /calltap/api/v2/
}

func newSharedStore(s *StoreSink) *sharedStore {
	st := store.New(store.Options{MaxSpans: s.MaxSpans, MaxBytes: int(s.MaxBytes)})
	return &sharedStore{st, http.StripPrefix(adminBase+"api/v2", st.Handler())}
}

// Destruct implements caddy.Destructor. The traces go with the last configuration that wants them.
func (*sharedStore) Destruct() error { return nil }
