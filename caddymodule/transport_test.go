package caddymodule

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/openzipkin/zipkin-go/model"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

// able is a transport with all that reverse_proxy asks transports for.
type able struct {
	bare
	tls, h2c, idle bool
}

// bare is one with nothing of it.
type bare struct{}

func (bare) RoundTrip(*http.Request) (*http.Response, error) { return nil, io.EOF }

func (a *able) TLSEnabled() bool                               { return a.tls }
func (a *able) EnableTLS(*reverseproxy.TLSConfig) error        { a.tls = true; return nil }
func (a *able) EnableH2C() error                               { a.h2c = true; return nil }
func (a *able) ProxyProtocolEnabled() bool                     { return true }
func (a *able) OverrideHealthCheckScheme(u *url.URL, _ string) { u.Scheme = "checked" }
func (a *able) DefaultBufferSizes() (request, response int64)  { return 7, 8 }
func (a *able) RequiresContentLength() bool                    { return true }
func (a *able) RequestHeaderOps() *headers.HeaderOps {
	return &headers.HeaderOps{Delete: []string{"X"}}
}
func (a *able) CloseIdleConnections() { a.idle = true }

// What reverse_proxy asks a transport for by type must be what the one within says: a wrapper hides it otherwise.
func TestTransportSaysWhatTheOneWithinSays(t *testing.T) {
	inner := &able{}
	outer := &Transport{next: inner, protocol: "able"}
	require.False(t, outer.TLSEnabled())
	require.NoError(t, outer.EnableTLS(new(reverseproxy.TLSConfig)))
	require.True(t, outer.TLSEnabled())
	require.NoError(t, outer.EnableH2C())
	require.True(t, inner.h2c)
	require.True(t, outer.ProxyProtocolEnabled())
	require.True(t, outer.RequiresContentLength())
	require.Equal(t, []string{"X"}, outer.RequestHeaderOps().Delete)
	request, response := outer.DefaultBufferSizes()
	require.Equal(t, [2]int64{7, 8}, [2]int64{request, response})
	var u url.URL
	outer.OverrideHealthCheckScheme(&u, "80")
	require.Equal(t, "checked", u.Scheme)
	outer.CloseIdleConnections()
	require.True(t, inner.idle)

	outer = &Transport{next: bare{}, protocol: "bare"}
	require.False(t, outer.TLSEnabled())
	require.ErrorContains(t, outer.EnableTLS(nil), "the transport bare within calltap does not support TLS")
	require.NoError(t, outer.EnableH2C())
	require.False(t, outer.ProxyProtocolEnabled())
	require.False(t, outer.RequiresContentLength())
	require.Nil(t, outer.RequestHeaderOps())
	request, response = outer.DefaultBufferSizes()
	require.Zero(t, request+response)
	outer.OverrideHealthCheckScheme(&u, "80")
	outer.CloseIdleConnections()
	_, err := outer.RoundTrip(httptest.NewRequest("GET", "/", nil))
	require.ErrorIs(t, err, io.EOF)
}

// A class is a word of ours, whatever the error says.
func TestClassesOfErrorsAreFew(t *testing.T) {
	dial := func(err error) error {
		return &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", err)}
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{dial(syscall.ECONNREFUSED), classRefused},
		{dial(syscall.EHOSTUNREACH), classUnreachable},
		{dial(syscall.ENETUNREACH), classUnreachable},
		{dial(syscall.ETIMEDOUT), classTimeout},
		{dial(syscall.EMFILE), classDial},
		{reverseproxy.NewDialError(dial(syscall.ECONNREFUSED)), classDial},
		{&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "secret.example.org", IsNotFound: true}}, classDNS},
		{&net.OpError{Op: "dial", Err: &net.DNSError{IsTimeout: true}}, classTimeout},
		{context.Canceled, classClientGone},
		{fmt.Errorf("around: %w", context.DeadlineExceeded), classTimeout},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, classReset},
		{&net.OpError{Op: "write", Err: syscall.EPIPE}, classReset},
		{x509.UnknownAuthorityError{}, classTLS},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, classTLS},
		{io.EOF, classNoResponse},
		{io.ErrUnexpectedEOF, classNoResponse},
		{errors.New("http: server gave HTTP response to HTTPS client"), "otherwise"},
	} {
		require.Equal(t, c.want, errorClass(c.err, "otherwise"), "%v", c.err)
	}
}

// Whatever passes, passes through the transport as it does without.
func TestTransportChangesNothing(t *testing.T) {
	zipkin := newCollector(t)
	plain, through, origin := freePort(t), freePort(t), freePort(t)
	run(t, site(zipkin, origin, "upstream_spans own", "do")+fmt.Sprintf(`
		http://127.0.0.1:%d {
			reverse_proxy 127.0.0.1:%d
		}
		http://127.0.0.1:%d {
			calltap
			reverse_proxy 127.0.0.1:%d {
				transport calltap
			}
		}`, plain, origin, through, origin))
	n := 0
	for i, s := range shapes {
		if s.direct {
			continue
		}
		n++
		path := fmt.Sprintf("/%s?n=%d", s.name, i)
		require.Equal(t, meaning(t, talk(t, plain, path, s.send), s.send), meaning(t, talk(t, through, path, s.send), s.send), s.name)
	}
	zipkin.waitKind(t, model.Server, n)
	zipkin.waitKind(t, model.Client, n)
}

// The attempts of a request that is kept for how it ended are kept with it, and those of one that is let go are not.
func TestAttemptsHaveTheFateOfTheirRequest(t *testing.T) {
	for way, words := range ways {
		t.Run(way, func(t *testing.T) {
			zipkin := newCollector(t)
			upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/fails" {
					w.WriteHeader(500)
				}
			}))
			defer upstream.Close()
			port := freePort(t)
			run(t, site(zipkin, port, "sample 0\n keep_errors\n"+words[0], fmt.Sprintf("calltap\n reverse_proxy %s {\n transport %s\n}", upstream.Listener.Addr(), words[1])))
			get(t, fmt.Sprintf("http://127.0.0.1:%d/fine", port))
			get(t, fmt.Sprintf("http://127.0.0.1:%d/fails", port))
			_, tries := zipkin.tree(t, "/fails", 1)
			require.Equal(t, "500", tries[0].Tags["error"])
			require.Len(t, zipkin.all(), 2)
		})
	}
}

// Each form that a site sends on has the attempt's id, and what header_up made of one stays.
func TestOwnHeadersInEachForm(t *testing.T) {
	zipkin := newCollector(t)
	upstream, seen := newSeen(t)
	port := freePort(t)
	run(t, site(zipkin, port, "upstream_spans own\n inject w3c b3 b3_multi", fmt.Sprintf(`calltap
		reverse_proxy /mine %s {
			header_up b3 0
			transport calltap
		}
		reverse_proxy %s {
			transport calltap
		}`, upstream.Listener.Addr(), upstream.Listener.Addr())))
	get(t, fmt.Sprintf("http://127.0.0.1:%d/a", port))
	server, tries := zipkin.tree(t, "/a", 1)
	header, id := <-seen, tries[0].ID.String()
	require.Equal(t, fmt.Sprintf("00-%s-%s-01", server.TraceID, id), header.Get("Traceparent"))
	require.Equal(t, fmt.Sprintf("%s-%s-1-%s", server.TraceID, id, server.ID), header.Get("B3"))
	require.Equal(t, [3]string{server.TraceID.String(), id, server.ID.String()},
		[3]string{header.Get("X-B3-Traceid"), header.Get("X-B3-Spanid"), header.Get("X-B3-Parentspanid")})

	get(t, fmt.Sprintf("http://127.0.0.1:%d/mine", port))
	_, tries = zipkin.tree(t, "/mine", 1)
	header = <-seen
	require.Equal(t, "0", header.Get("B3"))
	require.Contains(t, header.Get("Traceparent"), tries[0].ID.String())
}

// Two attempts of one request have the same headers to begin with: what one adds must not be the other's.
func TestHeadersOfOneAttemptAreNotThoseOfTheNext(t *testing.T) {
	zipkin := newCollector(t)
	seen := make(chan http.Header, 8)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header
		if len(seen) < 3 {
			panic(http.ErrAbortHandler)
		}
	}))
	defer upstream.Close()
	port := freePort(t)
	run(t, site(zipkin, port, "upstream_spans own", fmt.Sprintf("calltap\n reverse_proxy %s {\n lb_retries 5\n transport calltap {\n keepalive off\n}\n}", upstream.Listener.Addr())))
	resp, _ := get(t, fmt.Sprintf("http://127.0.0.1:%d/a", port))
	require.Equal(t, 200, resp.StatusCode)
	_, tries := zipkin.tree(t, "/a", 3)
	for i, try := range tries {
		require.Contains(t, (<-seen).Get("Traceparent"), try.ID.String())
		require.Equal(t, i > 0, try.Tags[tagResend] != "")
		require.Equal(t, i < 2, try.Tags["error"] == classNoResponse, try.Tags)
	}
	require.Equal(t, "200", tries[2].Tags[span.TagHTTPStatus])
	require.False(t, strings.Contains(fmt.Sprint(tries[2].Tags), "error"))
}
