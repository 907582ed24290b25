package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/calltap/calltap/integration/harness"
)

// witness reads the firehose too, with a plain client and nothing of calltap, and remembers each request that a
// service published. What a trace must hold is then a matter of whose request id a message bears.
type witness struct {
	conn *amqp.Connection

	mu   sync.Mutex
	seen []published
}

// published is one request of an RPC: a call or a cast.
type published struct {
	method    string // with object and method, of a versioned object
	requestID string
	globalID  string
}

func startWitness(url string) (*witness, error) {
	conn, err := amqp.Dial(url)
	if err != nil {
		return nil, err
	}
	w := &witness{conn: conn}
	deliveries, err := w.consume()
	if err != nil {
		conn.Close()
		return nil, err
	}
	go func() {
		for d := range deliveries {
			w.take(d.Body)
		}
	}()
	return w, nil
}

func (w *witness) consume() (<-chan amqp.Delivery, error) {
	ch, err := w.conn.Channel()
	if err != nil {
		return nil, err
	}
	q, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		return nil, err
	}
	if err := ch.QueueBind(q.Name, "publish.#", "amq.rabbitmq.trace", false, nil); err != nil {
		return nil, err
	}
	return ch.Consume(q.Name, "", true, true, false, false, nil)
}

// take remembers a message if it is a request in oslo.messaging's envelope.
func (w *witness) take(body []byte) {
	var envelope struct {
		Message string `json:"oslo.message"`
	}
	var m struct {
		Method string
		Args   struct {
			ObjName   string `json:"objname"`
			ObjMethod string `json:"objmethod"`
			ObjInst   struct {
				Name string `json:"nova_object.name"`
			} `json:"objinst"`
		}
		RequestID string `json:"_context_request_id"`
		GlobalID  string `json:"_context_global_request_id"`
	}
	if json.Unmarshal(body, &envelope) != nil || json.Unmarshal([]byte(envelope.Message), &m) != nil || m.Method == "" {
		return
	}
	name := m.Method
	if object := m.Args.ObjName + m.Args.ObjInst.Name; object != "" {
		name = object + "." + m.Args.ObjMethod
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, published{name, m.RequestID, m.GlobalID})
}

// of returns the sorted methods of all requests that bear an id, as either of the two.
func (w *witness) of(requestID string) (methods []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.seen {
		if p.requestID == requestID || p.globalID == requestID {
			methods = append(methods, p.method)
		}
	}
	slices.Sort(methods)
	return methods
}

func (w *witness) close() { w.conn.Close() }

// requestsOf returns the sorted requests that glance and placement, by their own logs, got with one of the ids,
// each as "glance GET 200".
func (c *cloud) requestsOf(ids ...string) (requests []string) {
	for _, name := range []string{"glance", "placement"} {
		requests = append(requests, accesses(name, c.daemons[name], ids)...)
	}
	slices.Sort(requests)
	return requests
}

func accesses(name string, p *harness.Process, ids []string) (requests []string) {
	for line := range bytes.Lines([]byte(p.Output())) {
		f := strings.Fields(string(line))
		if len(f) == 5 && f[0] == "request" && slices.Contains(ids, f[4]) {
			requests = append(requests, fmt.Sprintf("%s %s %s", name, f[1], f[3]))
		}
	}
	return requests
}
