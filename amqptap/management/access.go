package management

import (
	"context"
	"encoding/json"
	"strings"
)

// User is who asks.
type User struct {
	Name string
	Tags []string
}

// WhoAmI tells as whom the API knows the client's user. It needs any tag.
func (c *Client) WhoAmI(ctx context.Context) (User, error) {
	var answer struct {
		Name string          `json:"name"`
		Tags json.RawMessage `json:"tags"` // a list, or in old brokers a text
	}
	if err := c.get(ctx, "", &answer, "whoami"); err != nil {
		return User{}, err
	}
	u := User{Name: answer.Name}
	var text string
	if json.Unmarshal(answer.Tags, &u.Tags) != nil && json.Unmarshal(answer.Tags, &text) == nil && text != "" {
		u.Tags = strings.Split(text, ",")
	}
	return u, nil
}

// Policy gives queues or exchanges, by a pattern of their names, properties that their makers did not ask for.
type Policy struct {
	Name       string          `json:"name"`
	Pattern    string          `json:"pattern"`  // a regular expression of Erlang's, which are Perl's
	ApplyTo    string          `json:"apply-to"` // all, queues, classic_queues, quorum_queues, streams, exchanges
	Priority   int             `json:"priority"` // of several that match, the one with the highest applies
	Definition json.RawMessage `json:"definition"`
}

// Policies lists a vhost's policies: operator's, which are laid over the others, or those others. It needs any tag.
func (c *Client) Policies(ctx context.Context, vhost string, operator bool) (all []Policy, err error) {
	kind := "policies"
	if operator {
		kind = "operator-policies"
	}
	return all, c.get(ctx, "", &all, kind, vhost)
}

// Dangers are those of the definition to a queue, as of Queue.
func (p Policy) Dangers() []string { return Queue{Definition: p.Definition}.Dangers() }
