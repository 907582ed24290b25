package caddymodule

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(do{})
	httpcaddyfile.RegisterHandlerDirective("do", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		h.Next()
		return do{}, nil
	})
}

// do is a handler that behaves as the path says, in all the ways that handlers can.
type do struct{}

func (do) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.do", New: func() caddy.Module { return new(do) }}
}

func (do) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	act, ok := acts[strings.TrimPrefix(r.URL.Path, "/")]
	if !ok {
		return next.ServeHTTP(w, r)
	}
	return act(w, r)
}

type act = func(w http.ResponseWriter, r *http.Request) error

var errPlain = errors.New("something")

var acts = map[string]act{
	"nothing":  func(http.ResponseWriter, *http.Request) error { return nil },
	"implicit": func(w http.ResponseWriter, _ *http.Request) error { _, err := io.WriteString(w, "hello"); return err },
	"empty-write": func(w http.ResponseWriter, _ *http.Request) error {
		_, err := w.Write(nil)
		w.WriteHeader(http.StatusTeapot)
		return err
	},
	"created":     answer(201),
	"nocontent":   answer(204),
	"notmodified": answer(304),
	"missing":     answer(404),
	"fails":       answer(503),
	"twice": func(w http.ResponseWriter, r *http.Request) error {
		w.WriteHeader(202)
		w.WriteHeader(500)
		return nil
	},
	"early-hints": func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		_, err := io.WriteString(w, "after the hint")
		return err
	},
	"processing-then-500": func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusProcessing)
		w.WriteHeader(500)
		return nil
	},
	"error-plain": func(http.ResponseWriter, *http.Request) error { return errPlain },
	"error-404":   func(http.ResponseWriter, *http.Request) error { return caddyhttp.Error(404, errPlain) },
	"error-502":   func(http.ResponseWriter, *http.Request) error { return caddyhttp.Error(502, errPlain) },
	"error-dialling": func(_ http.ResponseWriter, r *http.Request) error {
		go caddyhttp.GetVar(r.Context(), "reverse_proxy.proxy") // as Caddy's transport does for a connection that it then has no need of
		return caddyhttp.Error(502, errPlain)
	},
	"error-wrapped": func(http.ResponseWriter, *http.Request) error {
		return fmt.Errorf("around: %w", caddyhttp.Error(429, errPlain))
	},
	"error-late": func(w http.ResponseWriter, _ *http.Request) error {
		io.WriteString(w, "partial")
		return caddyhttp.Error(500, errPlain)
	},
	"abort-first": func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) },
	"abort-late": func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "partial")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	},
	"panic":     func(http.ResponseWriter, *http.Request) error { panic("a bug") },
	"panic-nil": func(_ http.ResponseWriter, r *http.Request) error { r.TLS.NegotiatedProtocol = "x"; return nil },
	"panic-late": func(w http.ResponseWriter, _ *http.Request) error {
		io.WriteString(w, "partial")
		http.NewResponseController(w).Flush()
		panic("a bug")
	},
	"bad-code": func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(7); return nil },
	"trailers": func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "body")
		w.Header().Set("X-Sum", "42")
		w.Header().Set(http.TrailerPrefix+"X-More", "43")
		return nil
	},
	"chunks": func(w http.ResponseWriter, _ *http.Request) error {
		for i := range 5 {
			fmt.Fprintf(w, "chunk %d\n", i)
			if err := http.NewResponseController(w).Flush(); err != nil {
				return err
			}
		}
		return nil
	},
	"sse": func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			http.NewResponseController(w).Flush()
		}
		return nil
	},
	"sse-asserts": func(w http.ResponseWriter, _ *http.Request) error {
		w.(http.Flusher).Flush() // Caddy's writer is none by default
		return nil
	},
	"flush-only": func(w http.ResponseWriter, _ *http.Request) error {
		return http.NewResponseController(w).Flush()
	},
	"read-from": func(w http.ResponseWriter, _ *http.Request) error {
		_, err := io.Copy(w, strings.NewReader(strings.Repeat("copied ", 10_000)))
		return err
	},
	"read-from-nothing": func(w http.ResponseWriter, _ *http.Request) error {
		io.Copy(w, strings.NewReader(""))
		w.WriteHeader(http.StatusAccepted)
		return nil
	},
	"big": func(w http.ResponseWriter, _ *http.Request) error {
		block := []byte(strings.Repeat("0123456789abcdef", 4096))
		for range 64 {
			if _, err := w.Write(block); err != nil {
				return err
			}
		}
		return nil
	},
	"echo": func(w http.ResponseWriter, r *http.Request) error {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return caddyhttp.Error(400, err)
		}
		w.Header().Set("X-Length", fmt.Sprint(r.ContentLength))
		w.Header().Set("X-Trailer", r.Trailer.Get("X-Req-Trailer"))
		_, err = w.Write(body)
		return err
	},
	"refuse": func(w http.ResponseWriter, _ *http.Request) error { // without reading the body
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return nil
	},
	"upgrade": func(w http.ResponseWriter, r *http.Request) error {
		return hijack(w, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	},
	"upgrade-by-header": func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "echo")
		w.WriteHeader(http.StatusSwitchingProtocols)
		return hijack(w, "")
	},
	"grpc-fail": func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Content-Type", "application/grpc+proto")
		w.Header().Set("Trailer", "Grpc-Status")
		w.WriteHeader(200)
		w.Header().Set("Grpc-Status", "14")
		return nil
	},
	"grpc-ok": func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Content-Type", "application/grpc")
		w.WriteHeader(200)
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
		return nil
	},
	"headers": func(w http.ResponseWriter, r *http.Request) error {
		for _, name := range seenHeaders {
			for _, value := range r.Header[http.CanonicalHeaderKey(name)] {
				fmt.Fprintf(w, "%s: %s\n", name, value)
			}
		}
		return nil
	},
}

// seenHeaders are the ones that "headers" shows.
var seenHeaders = []string{"traceparent", "tracestate", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid",
	"x-b3-sampled", "x-b3-flags", "x-openstack-request-id"}

func answer(code int) act {
	return func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(code)
		return nil
	}
}

// hijack takes the connection over, says first, and repeats lines until "bye".
func hijack(w http.ResponseWriter, first string) error {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return err
	}
	defer conn.Close()
	fmt.Fprint(buf, first)
	buf.Flush()
	lines := bufio.NewScanner(buf)
	for lines.Scan() && lines.Text() != "bye" {
		fmt.Fprintf(buf, "echo %s\n", lines.Text())
		buf.Flush()
	}
	return nil
}
