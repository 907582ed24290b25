package harness

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/calltap/calltap/integration/ports"
)

// Span is a span as Zipkin's v2 API answers it.
type Span struct {
	TraceID     string            `json:"traceId"`
	ID          string            `json:"id"`
	ParentID    string            `json:"parentId"`
	Kind        string            `json:"kind"`
	Name        string            `json:"name"`
	Timestamp   int64             `json:"timestamp"` // µs
	Duration    int64             `json:"duration"`  // µs
	Shared      bool              `json:"shared"`
	Local       Endpoint          `json:"localEndpoint"`
	Remote      Endpoint          `json:"remoteEndpoint"`
	Tags        map[string]string `json:"tags"`
	Annotations []struct {
		Timestamp int64  `json:"timestamp"`
		Value     string `json:"value"`
	} `json:"annotations"`
}

// Endpoint is one side of a span.
type Endpoint struct {
	ServiceName string `json:"serviceName"`
	IPv4        string `json:"ipv4"`
	Port        int    `json:"port"`
}

// Zipkin is the real server with its in-memory storage.
type Zipkin struct {
	*Process
	ZipkinAPI
	Port int

	dir string
}

// NewZipkin picks a port for a server that is yet to Boot.
func NewZipkin(dir string) (*Zipkin, error) {
	free, err := ports.Free(1)
	if err != nil {
		return nil, err
	}
	return &Zipkin{Port: free[0], ZipkinAPI: ZipkinAPI(fmt.Sprintf("http://127.0.0.1:%d", free[0])), dir: dir}, nil
}

// StartZipkin starts a server on a port of its own and waits until it is healthy.
func StartZipkin(dir string) (*Zipkin, error) {
	z, err := NewZipkin(dir)
	if err != nil {
		return nil, err
	}
	return z, z.Boot()
}

// Boot starts the server, also again after Stop: on the same port, with nothing stored.
func (z *Zipkin) Boot() error {
	jar, err := part("zipkin.jar")
	if err != nil {
		return err
	}
	java, err := program("java")
	if err != nil {
		return err
	}
	z.Process, err = Run(Spec{
		Name: "zipkin", Path: java, Dir: z.dir,
		Args: []string{
			"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-jar", jar,
			"--armeria.ports[0].ip=127.0.0.1", // the server's own port option listens everywhere
			fmt.Sprintf("--armeria.ports[0].port=%d", z.Port),
			"--armeria.ports[0].protocols=http",
		},
		Ready: func(string) bool { return z.get("/health", nil) == nil },
	})
	return err
}

// ZipkinAPI is the address of anything that serves Zipkin's v2 API, without /api/v2: a real
// server, or calltap's own store under its admin endpoint.
type ZipkinAPI string

// Trace returns the spans of a trace, nil if it is unknown.
func (z ZipkinAPI) Trace(id string) ([]Span, error) {
	var spans []Span
	err := z.get("/api/v2/trace/"+id, &spans)
	if err != nil && strings.Contains(err.Error(), ": 404 ") {
		return nil, nil
	}
	return spans, err
}

// Traces returns what a query by Zipkin's parameters finds, e.g. serviceName, annotationQuery, limit.
func (z ZipkinAPI) Traces(query url.Values) ([][]Span, error) {
	var traces [][]Span
	return traces, z.get("/api/v2/traces?"+query.Encode(), &traces)
}

// Collected is how many spans the server's collector took in since its start, doubled ones
// included; its storage shows those only once.
func (z *Zipkin) Collected() (int, error) {
	var metrics map[string]any
	if err := z.get("/metrics", &metrics); err != nil {
		return 0, err
	}
	n, _ := metrics["counter.zipkin_collector.spans.http"].(float64) // absent before the first
	return int(n), nil
}

// Services returns the names of all services that sent spans.
func (z ZipkinAPI) Services() ([]string, error) {
	var names []string
	return names, z.get("/api/v2/services", &names)
}

var client = &http.Client{
	Timeout:   time.Minute,
	Transport: &http.Transport{DisableKeepAlives: true}, // nothing to leak between tests
}

func (z ZipkinAPI) get(path string, into any) error { return getJSON(string(z)+path, into) }

func getJSON(address string, into any) error {
	body, err := Get(address)
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(body, into)
}

// Get returns what is at a URL.
func Get(address string) ([]byte, error) {
	resp, err := client.Get(address)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.200s", address, resp.Status, body)
	}
	return body, err
}
