package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// site is one Caddy process with one site in front of the upstream.
type site struct {
	*process
	port, admin int
}

// siteConfig is what the subjects differ in.
type siteConfig struct {
	global  string // lines of the global block
	handler string // lines before reverse_proxy
	env     []string
}

// startSite runs the binary and waits until the site answers.
func (r *rig) startSite(ctx context.Context, name, upstream string, c siteConfig) (*site, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	admin, err := freePort()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(r.dir, name+".Caddyfile")
	text := fmt.Sprintf("{\n\tadmin 127.0.0.1:%d\n\tpersist_config off\n\tauto_https off\n%s}\nhttp://:%d {\n\tbind 127.0.0.1\n%s\treverse_proxy %s\n}\n",
		admin, c.global, port, c.handler, upstream)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	p, err := start(r.dir, name, c.env, r.bin, "run", "--adapter", "caddyfile", "--config", file)
	if err != nil {
		return nil, err
	}
	err = until(ctx, 20*time.Second, name+" to listen", func() bool { return p.died() != nil || answers(port) })
	if err == nil {
		err = p.died()
	}
	if err != nil {
		p.stop()
		return nil, err
	}
	return &site{process: p, port: port, admin: admin}, nil
}

// fetch gets a page of the admin endpoint.
func (s *site) fetch(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", s.admin, path), nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s of the admin endpoint: %s: %.200s", path, res.Status, body)
	}
	return body, err
}

// post sends JSON to the admin endpoint.
func (s *site) post(ctx context.Context, path, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d%s", s.admin, path), strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 500))
		return fmt.Errorf("%s of the admin endpoint: %s: %s", path, res.Status, text)
	}
	return nil
}

// status is what this rig reads of /calltap/status.
type status struct {
	Pipeline pipeline `json:"pipeline"`
	Sources  []struct {
		Status struct {
			Connected bool  `json:"connected"`
			Published int64 `json:"published"`
			Delivered int64 `json:"delivered"`
			Pairer    struct {
				Open  int64 `json:"open"`
				Spans int64 `json:"spans"`
			} `json:"pairer"`
		} `json:"status"`
	} `json:"sources"`
}

type pipeline struct {
	Emitters []books `json:"emitters"`
}

// books are the counters of one emitter.
type books struct {
	Name     string           `json:"name"`
	Accepted int64            `json:"accepted"`
	Emitted  int64            `json:"emitted"`
	Queued   int64            `json:"queued"`
	Dropped  map[string]int64 `json:"dropped"`
}

func (b books) droppedSum() int64 {
	var n int64
	for _, d := range b.Dropped {
		n += d
	}
	return n
}

// connected is how many taps have a connection.
func (s status) connected() (n int) {
	for _, source := range s.Sources {
		if source.Status.Connected {
			n++
		}
	}
	return n
}

// open is the number of RPC calls that await their reply.
func (s status) open() (n int64) {
	for _, source := range s.Sources {
		n += source.Status.Pairer.Open
	}
	return n
}

// seen and spans are the events that the sources took and the spans that they made of them.
func (s status) seen() (events, spans int64) {
	for _, source := range s.Sources {
		events += source.Status.Published + source.Status.Delivered
		spans += source.Status.Pairer.Spans
	}
	return events, spans
}

// of gives the books of one emitter.
func (p *pipeline) of(name string) books {
	for _, e := range p.Emitters {
		if e.Name == name {
			return e
		}
	}
	return books{}
}

// status reads the live counters of calltap.
func (s *site) status(ctx context.Context) (status, error) {
	var page status
	body, err := s.fetch(ctx, "/calltap/status")
	if err != nil {
		return page, err
	}
	return page, json.Unmarshal(body, &page)
}

// allocations is how many objects the process has allocated since its start.
func (s *site) allocations(ctx context.Context) (float64, error) {
	body, err := s.fetch(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	const name = "\ngo_memstats_mallocs_total "
	_, after, found := strings.Cut(string(body), name)
	if !found {
		return 0, errors.New("the metrics page has no go_memstats_mallocs_total")
	}
	value, _, _ := strings.Cut(after, "\n")
	return strconv.ParseFloat(value, 64)
}

// profileCPU stores a CPU profile taken over the next seconds.
func (s *site) profileCPU(ctx context.Context, file string, seconds int) error {
	body, err := s.fetch(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", seconds))
	if err != nil {
		return err
	}
	return os.WriteFile(file, body, 0o644)
}
