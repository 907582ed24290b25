package amqptap

import (
	"maps"
	"slices"
	"strings"
)

// brokersOwn are the headers of a copy that the broker writes about a message, and of which none can hold what
// the message holds.
var brokersOwn = []string{"exchange_name", "routing_keys", "properties", "node", "vhost", "connection", "channel", "routed_queues", "redelivered"}

// blankBroker blanks the rest of them: the user's name.
func blankBroker(headers map[string]any) {
	for name, v := range headers {
		if !slices.Contains(brokersOwn, name) {
			headers[name] = blankAll(v)
		}
	}
}

// plainProperties are the properties of a message that say how it is to be handled and not what it is about.
var plainProperties = []string{"content_type", "content_encoding", "delivery_mode", "priority", "expiration", "timestamp", "headers"}

// properties collects what can be blanked of a message's properties and of the headers among them.
func (x *redactor) properties(p map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if !slices.Contains(plainProperties, name) {
			x.value(p[name], change{leaves: p, name: name})
		}
	}
	if headers, ok := table(p["headers"]); ok {
		x.table(headers)
	}
}

func (x *redactor) table(t map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(t)) {
		if name != "timestamp_in_ms" { // the clock's
			x.value(t[name], change{leaves: t, name: name})
		}
	}
}

// value collects v, which stands at c, or what is in it.
func (x *redactor) value(v any, c change) {
	if t, ok := table(v); ok {
		x.table(t)
		return
	}
	if items, ok := v.([]any); ok {
		for i, item := range items {
			x.value(item, change{items: items, index: i})
		}
		return
	}
	if c.value = v; !empty(v) {
		x.pending = append(x.pending, c)
	}
}

// empty reports whether there is nothing in a value to blank.
func empty(v any) bool {
	switch v := v.(type) {
	case nil, bool:
		return true
	case string:
		return v == ""
	}
	return false
}

// blankValue is a value of the same type and size.
func blankValue(v any) any {
	switch v := v.(type) {
	case string:
		return strings.Repeat("x", len(v))
	case float64:
		return 1.0
	case nil, bool:
		return v
	}
	return blankAll(v)
}

// blankAll blanks whatever is in a value.
func blankAll(v any) any {
	if t, ok := table(v); ok {
		for name, item := range t {
			t[name] = blankAll(item)
		}
		return t
	}
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			v[i] = blankAll(item)
		}
		return v
	case string, float64, nil, bool:
		return blankValue(v)
	}
	return nil
}
