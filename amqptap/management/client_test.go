package management

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a server that answers as told, and its client.
func fake(t testing.TB, answer http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return client(t, server.URL)
}

func client(t testing.TB, address string) *Client {
	t.Helper()
	u, err := ParseURL(address)
	require.NoError(t, err)
	c, err := New(Options{URL: u, Username: "tap", Password: "s3cret"})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func says(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		fmt.Fprint(w, body)
	}
}

func TestAnswersThatAreNotRabbitMQs(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"refused":   {says(401, `{"error":"not_authorised","reason":"s3cret"}`), "management API: /api/nodes: 401 Unauthorized"},
		"a page":    {says(200, "<html>s3cret</html>"), "management API: /api/nodes: the answer is not what RabbitMQ's would be"},
		"empty":     {says(200, ""), "management API: /api/nodes: the answer is not what RabbitMQ's would be"},
		"an object": {says(200, `{"name":"s3cret"}`), "management API: /api/nodes: the answer is not what RabbitMQ's would be"},
		"proxy":     {says(502, "s3cret"), "management API: /api/nodes: 502 Bad Gateway"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/s3cret", http.StatusFound)
		}, "management API: /api/nodes: 302 Found"},
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			for chunk := []byte(`"` + strings.Repeat("x", 1<<20)); ; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}, "management API: /api/nodes: the answer is above 8388608 bytes"},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, "[{")
			panic(http.ErrAbortHandler)
		}, "management API: EOF"}, // the server closes before its buffer is sent
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fake(t, c.answer).Nodes(t.Context())
			require.EqualError(t, err, c.want)
		})
	}
}

func TestAServerThatNeverAnswersEndsWithItsQuestion(t *testing.T) {
	asked, hang := make(chan struct{}), make(chan struct{})
	c := fake(t, func(http.ResponseWriter, *http.Request) { close(asked); <-hang })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { _, err := c.Overview(ctx); ended <- err }()
	<-asked
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	close(hang)
}

func TestSentinels(t *testing.T) {
	_, err := fake(t, says(401, "")).Nodes(t.Context())
	require.ErrorIs(t, err, ErrNotAllowed)
	require.NotErrorIs(t, err, ErrNotFound)
	_, err = fake(t, says(404, "")).Exchange(t.Context(), "/", "x")
	require.ErrorIs(t, err, ErrNotFound)
	_, err = fake(t, says(200, `[{"name":"other"}]`)).VHost(t.Context(), "mine")
	require.ErrorIs(t, err, ErrNotFound)
}

func TestThePasswordIsInNoError(t *testing.T) {
	u, err := url.Parse("http://somebody:s3cret@127.0.0.1:1/s3cret")
	require.NoError(t, err)
	c, err := New(Options{URL: u, Username: "tap", Password: "s3cret"})
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Nodes(t.Context())
	require.Error(t, err)
	require.NotContains(t, err.Error(), "s3cret")

	for _, bad := range []string{"s3cret", "http://tap:s3cret@host:port", "ftp://s3cret", "http://"} {
		_, err := ParseURL(bad)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "s3cret")
	}
}

func TestNamesAreEscapedOnce(t *testing.T) {
	var path atomic.Value
	c := fake(t, func(w http.ResponseWriter, r *http.Request) {
		path.Store(r.URL.EscapedPath())
		user, password, _ := r.BasicAuth()
		require.Equal(t, "tap s3cret", user+" "+password)
		fmt.Fprint(w, "{}")
	})
	_, err := c.Queue(t.Context(), "/", "a/b?c%2Fd ü")
	require.NoError(t, err)
	require.Equal(t, "/api/queues/%2F/a%2Fb%3Fc%252Fd%20%C3%BC", path.Load())
}

func TestABasePathIsKept(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "/behind/a/proxy/api/nodes", r.URL.Path)
		fmt.Fprint(w, "[]")
	}))
	t.Cleanup(server.Close)
	_, err := client(t, server.URL+"/behind/a/proxy/").Nodes(t.Context())
	require.NoError(t, err)
}

func TestACertificateOfAStranger(t *testing.T) {
	server := httptest.NewTLSServer(says(200, "[]"))
	t.Cleanup(server.Close)
	_, err := client(t, server.URL).Nodes(t.Context())
	require.ErrorContains(t, err, "certificate")

	u, _ := ParseURL(server.URL)
	trusting, err := New(Options{URL: u, TLS: func(host string) (*tls.Config, error) {
		require.Equal(t, "127.0.0.1", host)
		return server.Client().Transport.(*http.Transport).TLSClientConfig, nil
	}})
	require.NoError(t, err)
	t.Cleanup(trusting.Close)
	_, err = trusting.Nodes(t.Context())
	require.NoError(t, err)
}

func TestAlarmsAreToldApartFromAProxysFailure(t *testing.T) {
	alarms, err := fake(t, says(200, `{"status":"ok"}`)).Alarms(t.Context())
	require.NoError(t, err)
	require.Empty(t, alarms)

	alarms, err = fake(t, says(503, `{"alarms":[{"node":"b@h","resource":"disk"},{"node":"a@h","resource":"memory"}],"status":"failed"}`)).Alarms(t.Context())
	require.NoError(t, err)
	require.Equal(t, []Alarm{{"a@h", "memory"}, {"b@h", "disk"}}, alarms)

	_, err = fake(t, says(503, `<html>upstream is down</html>`)).Alarms(t.Context())
	require.Error(t, err)
	_, err = fake(t, says(200, `{}`)).Alarms(t.Context())
	require.Error(t, err, "whoever says that, it is not the broker")
	_, err = fake(t, says(503, `{}`)).Alarms(t.Context())
	require.EqualError(t, err, "management API: /api/health/checks/alarms: 503 Service Unavailable")
}

func TestAlarmsOfABrokerWithoutHealthChecks(t *testing.T) {
	alarms, err := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/nodes" {
			w.WriteHeader(404)
			return
		}
		fmt.Fprint(w, `[{"name":"b@h","disk_free_alarm":true},{"name":"a@h","mem_alarm":true}]`)
	}).Alarms(t.Context())
	require.NoError(t, err)
	require.Equal(t, []Alarm{{"a@h", "memory"}, {"b@h", "disk"}}, alarms)
}

func TestConnectionsAreReadPageByPageAndWithinBounds(t *testing.T) {
	pages := 3
	var asked atomic.Int64
	c := fake(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		require.Equal(t, "500", r.URL.Query().Get("page_size"))
		json.NewEncoder(w).Encode(map[string]any{"page_count": pages, "items": []map[string]string{
			{"name": "c" + r.URL.Query().Get("page"), "vhost": "mine"}, {"name": "x", "vhost": "other"},
		}})
	})
	all, truncated, err := c.Connections(t.Context(), "mine")
	require.NoError(t, err)
	require.False(t, truncated)
	require.Equal(t, []Connection{{Name: "c1", VHost: "mine"}, {Name: "c2", VHost: "mine"}, {Name: "c3", VHost: "mine"}}, all)

	pages = 1 << 30
	asked.Store(0)
	all, truncated, err = c.Connections(t.Context(), "mine")
	require.NoError(t, err)
	require.True(t, truncated)
	require.Len(t, all, maxPages)
	require.EqualValues(t, maxPages, asked.Load())
}

// RabbitMQ 3.10 empties what a PUT does not name.
func TestSwitchingTheFirehoseKeepsTheRestOfTheVHost(t *testing.T) {
	for given, want := range map[string]string{
		`{"name":"v","description":"d","tags":["a","b"],"default_queue_type":"undefined"}`:       `{"description":"d","tags":"a,b","tracing":true}`,
		`{"name":"v","tags":"a,b","default_queue_type":"quorum","protected_from_deletion":true}`: `{"default_queue_type":"quorum","description":"","protected_from_deletion":true,"tags":"a,b","tracing":true}`,
		`{"name":"v","tags":null}`: `{"description":"","tags":"","tracing":true}`,
	} {
		var put json.RawMessage
		c := fake(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut {
				require.Equal(t, "/api/vhosts/v", r.URL.Path)
				require.NoError(t, json.NewDecoder(r.Body).Decode(&put))
				w.WriteHeader(http.StatusNoContent)
				return
			}
			fmt.Fprintf(w, "[%s]", given)
		})
		v, err := c.VHost(t.Context(), "v")
		require.NoError(t, err)
		require.NoError(t, c.SetTracing(t.Context(), v, true))
		require.JSONEq(t, want, string(put))
	}
}

func TestWhereTheOtherNodesAreAsked(t *testing.T) {
	var o Overview
	require.NoError(t, json.Unmarshal([]byte(`{"node":"rabbit@one","listeners":[
		{"node":"rabbit@one","protocol":"http","ip_address":"::","port":15672,"socket_opts":[]},
		{"node":"rabbit@two","protocol":"amqp","ip_address":"::","port":5672},
		{"node":"rabbit@two","protocol":"http","ip_address":"::","port":15672,"socket_opts":{"port":15672}},
		{"node":"rabbit@six","protocol":"http","ip_address":"::","port":15672,"socket_opts":{"ip":"10.0.0.6"}},
		{"node":"rabbit@tls","protocol":"https","ip_address":"::","port":15671},
		{"node":"other@one","protocol":"http","ip_address":"::","port":15673,"socket_opts":{"ip":"127.0.0.1"}},
		{"node":"rabbit@bad","protocol":"http","ip_address":"no address","port":-1}]}`), &o))
	for node, want := range map[string][]string{
		"rabbit@one": {"one:15672", "base:15672"},
		"rabbit@two": {"two:15672"},
		"rabbit@six": {"six:15672", "10.0.0.6:15672"},
		"other@one":  {"base:15673"},
		"rabbit@tls": nil, // plain http would show the password
		"rabbit@bad": nil,
		"gone@one":   nil,
	} {
		require.Equal(t, want, o.Addresses(node, "http", "base"), node)
	}
}

func TestPoliciesThatHarm(t *testing.T) {
	for definition, want := range map[string][]string{
		`{}`: nil, `[]`: nil, `null`: nil, `"x"`: nil, `{"max-length":5}`: nil, `{"overflow":"drop-head"}`: nil, `{"overflow":7}`: nil,
		`{"overflow":"reject-publish-dlx","dead-letter-exchange":"d","ha-mode":"all"}`: {"dead-letter-exchange: d", "ha-mode: all", "overflow: reject-publish-dlx"},
	} {
		require.Equal(t, want, Queue{Definition: json.RawMessage(definition)}.Dangers(), definition)
	}
}

func TestAlternateExchangesByArgumentAndByPolicy(t *testing.T) {
	c := fake(t, func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "/api/policies/v/p", r.URL.Path)
		fmt.Fprint(w, `{"definition":{"alternate-exchange":"by-policy"}}`)
	})
	for want, e := range map[string]Exchange{
		"":            {Arguments: map[string]any{"x": 1}},
		"by-argument": {Arguments: map[string]any{"alternate-exchange": "by-argument"}, Policy: "p"},
		"by-policy":   {Policy: "p"},
	} {
		got, err := c.Alternate(t.Context(), "v", e)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

// What a server of whatever kind answers costs a question and no more.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"rabbitmq_version":"3.10.8","listeners":[{"node":"a@b","protocol":"http","port":15672,"socket_opts":{"ip":"::"}}]}`))
	f.Add([]byte(`[{"name":"/","tracing":true,"tags":["x"]}]`))
	f.Add([]byte(`{"page_count":2,"items":[{"name":"1.2.3.4:5 -> 6.7.8.9:10"}]}`))
	f.Add([]byte(`{"effective_policy_definition":{"overflow":"reject-publish"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var (
			o     Overview
			hosts []VHost
			q     Queue
		)
		if decode(body, &o, nil) == nil {
			for _, l := range o.Listeners {
				o.Addresses(l.Node, "http", "base")
			}
		}
		if decode(body, &hosts, nil) == nil {
			for _, v := range hosts {
				v.tags()
			}
		}
		if decode(body, &q, nil) == nil {
			q.Dangers()
		}
	})
}
