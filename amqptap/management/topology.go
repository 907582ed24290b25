package management

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// Queue is what the broker makes of a queue.
type Queue struct {
	Name     string `json:"name"`
	Policy   string `json:"policy"`          // the name of the one that applies, "" if none does
	Operator string `json:"operator_policy"` // likewise
	// Definition is what both come to; nil until the API knows, which takes it some seconds with a new queue.
	Definition json.RawMessage `json:"effective_policy_definition"`
	Ready      int64           `json:"messages_ready"`      // some seconds old
	ReadyBytes int64           `json:"message_bytes_ready"` // likewise
}

// Queue asks for one queue.
func (c *Client) Queue(ctx context.Context, vhost, name string) (q Queue, err error) {
	const columns = "columns=name,policy,operator_policy,effective_policy_definition,messages_ready,message_bytes_ready"
	return q, c.get(ctx, columns, &q, "queues", vhost, name)
}

// Dangers are the words of the effective policy that let a queue harm others: it would dead-letter what it drops, be mirrored, or refuse
// messages when it is full, which publishers feel.
func (q Queue) Dangers() (found []string) {
	var definition map[string]any
	if json.Unmarshal(q.Definition, &definition) != nil { // {}, or in old brokers [], is none
		return nil
	}
	for _, word := range []string{"dead-letter-exchange", "ha-mode"} {
		if v, ok := definition[word]; ok {
			found = append(found, fmt.Sprintf("%s: %v", word, v))
		}
	}
	if v, _ := definition["overflow"].(string); strings.HasPrefix(v, "reject") {
		found = append(found, "overflow: "+v)
	}
	return found
}

// Exchange is an exchange that a queue may be bound to.
type Exchange struct {
	Type      string         `json:"type"`
	Arguments map[string]any `json:"arguments"`
	Policy    string         `json:"policy"` // the name of the one that applies, "" if none does
}

// Exchange asks for one exchange.
func (c *Client) Exchange(ctx context.Context, vhost, name string) (e Exchange, err error) {
	return e, c.get(ctx, "", &e, "exchanges", vhost, name)
}

// Alternate is where e sends what it cannot route, "" if nowhere.
func (c *Client) Alternate(ctx context.Context, vhost string, e Exchange) (string, error) {
	const word = "alternate-exchange"
	if name, ok := e.Arguments[word]; ok {
		return fmt.Sprint(name), nil
	}
	if e.Policy == "" {
		return "", nil
	}
	var policy struct {
		Definition map[string]any `json:"definition"`
	}
	if err := c.get(ctx, "", &policy, "policies", vhost, e.Policy); err != nil {
		return "", err
	}
	name, _ := policy.Definition[word].(string)
	return name, nil
}

// Bound is a binding of an exchange.
type Bound struct {
	Destination string `json:"destination"`
	Kind        string `json:"destination_type"` // queue or exchange
	Key         string `json:"routing_key"`
}

// BindingsFrom lists what an exchange sends to.
func (c *Client) BindingsFrom(ctx context.Context, vhost, exchange string) (all []Bound, err error) {
	return all, c.get(ctx, "columns=destination,destination_type,routing_key", &all, "exchanges", vhost, exchange, "bindings", "source")
}
