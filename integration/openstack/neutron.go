package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path"
	"strings"

	"github.com/calltap/calltap/integration/ports"
)

// neutron stands in for the network service: servers without a network need no more of it than empty lists.
type neutron struct {
	server http.Server
	addr   string
}

func startNeutron() (*neutron, error) {
	free, err := ports.Free(1)
	if err != nil {
		return nil, err
	}
	n := &neutron{addr: fmt.Sprintf("127.0.0.1:%d", free[0])}
	listener, err := net.Listen("tcp", n.addr)
	if err != nil {
		return nil, err
	}
	n.server.Handler = http.HandlerFunc(n.answer)
	go func() { _ = n.server.Serve(listener) }()
	return n, nil
}

// answer gives an empty list of whatever is asked for: the last element of the path names it.
func (n *neutron) answer(w http.ResponseWriter, r *http.Request) {
	what := strings.TrimSuffix(path.Base(r.URL.Path), ".json")
	answer := map[string]any{strings.ReplaceAll(what, "-", "_"): []any{}}
	switch what {
	case "/", "v2.0":
		link := map[string]string{"rel": "self", "href": "http://" + n.addr + "/v2.0/"}
		answer = map[string]any{"versions": []any{map[string]any{"id": "v2.0", "status": "CURRENT", "links": []any{link}}}}
	case "security-groups":
		answer = map[string]any{"security_groups": []any{map[string]string{"id": "00000000-0000-0000-0000-000000000001", "name": "default"}}}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // the client may have gone
}

func (n *neutron) close() { n.server.Close() }
