package management

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// VHost is a virtual host as one node knows it.
type VHost struct {
	Name    string `json:"name"`
	Tracing bool   `json:"tracing"` // whether the firehose is on, on the node that answers
	// States are the nodes that have the vhost, by their names: running, stopped, nodedown.
	States map[string]string `json:"cluster_state"`

	Description string          `json:"description"`
	Tags        json.RawMessage `json:"tags"` // a list, or in old brokers a text
	QueueType   string          `json:"default_queue_type"`
	Protected   *bool           `json:"protected_from_deletion"`
}

// VHost asks for one vhost, of those that the user may use: the question for that one alone is an administrator's.
func (c *Client) VHost(ctx context.Context, name string) (VHost, error) {
	var all []VHost
	const columns = "columns=name,tracing,cluster_state,description,tags,default_queue_type,protected_from_deletion"
	if err := c.get(ctx, columns, &all, "vhosts"); err != nil {
		return VHost{}, err
	}
	for _, v := range all {
		if v.Name == name {
			return v, nil
		}
	}
	return VHost{}, fmt.Errorf("vhost %q, of those that this user may use: %w", name, ErrNotFound)
}

// SetTracing switches the firehose of a vhost on or off, on the node that answers. It needs the tag administrator.
//
// The API knows only a PUT of the whole vhost, which makes one that is not there, and empties the description and the tags if they are not
// told (RabbitMQ 3.10). So v must be what VHost just told, and they are put as they were.
func (c *Client) SetTracing(ctx context.Context, v VHost, on bool) error {
	body := map[string]any{"tracing": on, "description": v.Description, "tags": v.tags()}
	if v.QueueType != "" && v.QueueType != "undefined" {
		body["default_queue_type"] = v.QueueType
	}
	if v.Protected != nil {
		body["protected_from_deletion"] = *v.Protected
	}
	return c.do(ctx, http.MethodPut, "", body, nil, "vhosts", v.Name)
}

// tags is the form that all versions take.
func (v VHost) tags() string {
	var list []string
	if json.Unmarshal(v.Tags, &list) == nil {
		return strings.Join(list, ",")
	}
	var text string
	_ = json.Unmarshal(v.Tags, &text) // null, or absent in brokers that know no tags
	return text
}
