package zipkin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// errRejected wraps every answer that would be the same next time.
var errRejected = errors.New("zipkin refused the spans")

// newClient makes a client with a transport of its own, so that nothing else in the process shares
// its connections or changes its settings.
func newClient() *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           dialer.DialContext,
			ForceAttemptHTTP2:     true,
			TLSHandshakeTimeout:   5 * time.Second,
			ExpectContinueTimeout: time.Second,
			MaxIdleConns:          2,
			IdleConnTimeout:       90 * time.Second,
			DisableCompression:    true, // no answer is worth it, and a small one could unpack to a huge one
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// header makes the header that all requests share; nobody changes it afterwards.
func header(extra map[string]string, user *url.Userinfo, compressed bool) http.Header {
	h := http.Header{}
	if user != nil {
		password, _ := user.Password()
		(&http.Request{Header: h}).SetBasicAuth(user.Username(), password)
	}
	for name, value := range extra {
		h.Set(name, value)
	}
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "calltap")
	// Should the way to Zipkin lead through something that traces, calltap itself not excepted, this
	// keeps it from making spans of the sending of spans, without end.
	h.Set("B3", "0")
	if compressed {
		h.Set("Content-Encoding", "gzip")
	}
	return h
}

// post makes one attempt. after is what the server asks to wait before the next.
func (e *Emitter) post(ctx context.Context, data []byte) (after time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url.String(), nil)
	if err != nil {
		return 0, fmt.Errorf("%w: no request can be made of the URL of %s", errRejected, site(e.url))
	}
	req.Header = e.header
	req.ContentLength = int64(len(data))
	req.GetBody = func() (io.ReadCloser, error) { return e.body.reader(data), nil }
	req.Body, _ = req.GetBody()

	resp, err := e.client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("zipkin: %s does not answer: %w", site(e.url), cause(err))
	}
	defer resp.Body.Close()
	// Read to its end, so that the connection can be used again, but only so much.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	return e.judge(resp)
}

// cause takes the url.Error off an error of net/http, since it quotes the URL.
func cause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func (e *Emitter) judge(resp *http.Response) (time.Duration, error) {
	switch code := resp.StatusCode; {
	case code >= 200 && code <= 299:
		return 0, nil
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code >= 500:
		return retryAfter(resp.Header.Get("Retry-After"), time.Now()),
			fmt.Errorf("zipkin: %s answers %d", site(e.url), code)
	default:
		return 0, fmt.Errorf("%w: %s answers %d", errRejected, site(e.url), code)
	}
}
