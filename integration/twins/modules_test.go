package twins

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

func init() {
	caddy.RegisterModule(script{})
	caddy.RegisterModule(bodiless{})
	caddy.RegisterModule(sabotage{})
	caddy.RegisterModule(turns{})
	httpcaddyfile.RegisterHandlerDirective("script", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return script{}, nil
	})
	httpcaddyfile.RegisterHandlerDirective("bodiless", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return bodiless{}, nil
	})
	httpcaddyfile.RegisterHandlerDirective("sabotage", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		s := sabotage{}
		h.Next()
		h.Args(&s.How)
		return s, nil
	})
}

// script is a handler that plays the script of its request.
type script struct{}

func (script) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.script", New: func() caddy.Module { return new(script) }}
}

func (script) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	return run(w, r, true)
}

// bodiless stands in front of proxies. That a request of HTTP/3 has no body is told by its end alone, which may come later than its header.
// net/http looks for it on a goroutine of its own, and after 200 ms sends the request as one with a body; plain Caddy 2.11.9 clears the
// request's trailers when it finds the end, while net/http may be listing them. So the end is waited for here.
type bodiless struct{}

func (bodiless) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.bodiless", New: func() caddy.Module { return new(bodiless) }}
}

func (bodiless) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if x := exchangeOf(r); x != nil && r.ProtoMajor == 3 && r.Method != http.MethodConnect && x.shape.body.pieces == nil {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return err
		}
		r.Body, r.ContentLength = http.NoBody, 0
	}
	return next.ServeHTTP(w, r)
}

// turns is a policy of reverse_proxy: one upstream after the other, from the first, for each request.
type turns struct{}

func (turns) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.reverse_proxy.selection_policies.turns", New: func() caddy.Module { return new(turns) }}
}

func (turns) UnmarshalCaddyfile(*caddyfile.Dispenser) error { return nil }

func (turns) Select(pool reverseproxy.UpstreamPool, r *http.Request, _ http.ResponseWriter) *reverseproxy.Upstream {
	n, _ := caddyhttp.GetVar(r.Context(), "turns").(int)
	caddyhttp.SetVar(r.Context(), "turns", n+1)
	return pool[n%len(pool)]
}

// upstream plays scripts behind reverse_proxy.
func upstream(w http.ResponseWriter, r *http.Request) { _ = run(w, r, false) }

// sabotage stands in calltap's place and does one thing wrong, as wrappers of requests and responses have done.
type sabotage struct {
	How string `json:"how"`
}

func (sabotage) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.sabotage", New: func() caddy.Module { return new(sabotage) }}
}

// Wrappers with a fault each. What they do not hide they pass on.
type (
	hides     struct{ http.ResponseWriter } // Flush, Hijack, deadlines: as a wrapper without Unwrap
	eatsHints struct {
		*caddyhttp.ResponseWriterWrapper
	} // informational responses
	firstStatus struct { // takes an informational status for the response's
		*caddyhttp.ResponseWriterWrapper
		wrote *bool
	}
	lateFlush struct {
		*caddyhttp.ResponseWriterWrapper
	} // says that it flushed
)

func (w eatsHints) WriteHeader(code int) {
	if code >= 200 || code == http.StatusSwitchingProtocols {
		w.ResponseWriterWrapper.WriteHeader(code)
	}
}

func (w firstStatus) WriteHeader(code int) {
	if !*w.wrote {
		*w.wrote = true
		w.ResponseWriterWrapper.WriteHeader(code)
	}
}

func (lateFlush) FlushError() error { return nil }

// readsAhead is a body that fills what it is given to read into.
type readsAhead struct{ io.ReadCloser }

func (r *readsAhead) Read(p []byte) (int, error) {
	n, err := io.ReadFull(r.ReadCloser, p)
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	return n, err
}

// sabotages are the faults by name.
var sabotages = map[string]func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error{
	"a writer that hides": func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
		return next.ServeHTTP(hides{w}, r)
	},
	"informational responses lost": func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
		return next.ServeHTTP(eatsHints{&caddyhttp.ResponseWriterWrapper{ResponseWriter: w}}, r)
	},
	"the first status taken for the last": func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
		return next.ServeHTTP(firstStatus{&caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, new(bool)}, r)
	},
	"flushes not passed on": func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
		return next.ServeHTTP(lateFlush{&caddyhttp.ResponseWriterWrapper{ResponseWriter: w}}, r)
	},
	"a flush too many": func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
		err := next.ServeHTTP(w, r)
		_ = http.NewResponseController(w).Flush()
		return err
	},
	"a response header too many": func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
		w.Header().Set("X-Traced", "yes")
		return next.ServeHTTP(w, r)
	},
	"a request header too many": func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
		r.Header.Set("X-Traced", "yes")
		return next.ServeHTTP(w, r)
	},
	"a request header lost": func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
		r.Header.Del("Uber-Trace-Id")
		return next.ServeHTTP(w, r)
	},
	"a value of two lost": func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
		for name, values := range r.Header {
			r.Header[name] = values[:1]
		}
		return next.ServeHTTP(w, r)
	},
	"the body read ahead": func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
		ahead, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		r.Body = io.NopCloser(bytes.NewReader(ahead))
		return next.ServeHTTP(w, r)
	},
	"the body's length lost": func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
		r.ContentLength = -1
		return next.ServeHTTP(w, r)
	},
	"trailers lost": func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
		err := next.ServeHTTP(w, r)
		for name := range w.Header() {
			if name == "X-Sum" || name == "Trailer:X-More" {
				w.Header().Del(name)
			}
		}
		return err
	},
	"an error swallowed": func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
		_ = next.ServeHTTP(w, r)
		return nil
	},
	"an abort swallowed": func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
		defer func() { _ = recover() }()
		return next.ServeHTTP(w, r)
	},
	"a client that left forgotten": func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
		return next.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
	},
	"a CONNECT with a path": func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
		if r.URL.Path == "" {
			r.URL.Path = "/"
		}
		return next.ServeHTTP(w, r)
	},
	"the protocol of a tunnel lost": func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
		r.Header.Del(":protocol") // HTTP/2
		if r.ProtoMajor == 3 {
			r.Proto = "HTTP/3.0"
		}
		return next.ServeHTTP(w, r)
	},
	"a tunnel that hides": func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
		if r.Method == http.MethodConnect {
			w = hides{w}
		}
		return next.ServeHTTP(w, r)
	},
	"a tunnel read ahead": func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
		if r.Method == http.MethodConnect {
			r.Body = &readsAhead{ReadCloser: r.Body}
		}
		return next.ServeHTTP(w, r)
	},
	"a status sent too early": func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
		w.WriteHeader(http.StatusOK)
		return next.ServeHTTP(w, r)
	},
}

func (s sabotage) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return sabotages[s.How](w, r, next)
}
