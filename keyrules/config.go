package keyrules

// Config is the rule set as written by the operator. The first match wins, in order; built-ins (Use)
// take what no rule and no ignore matches, wherever they stand, for they match a whole API.
type Config struct {
	// The rules, in the order in which they are tried.
	Rules []Rule `json:"rules,omitempty"`

	// The number of different keys that may exist until the next reload (default 2000, at most
	// 1,000,000). Further keys become `_other`, and are counted. It stands against a flood of made-up
	// paths, which would fill the disk of a StatsD server. Span names are bounded alike.
	MaxKeys int `json:"max_keys,omitempty"`
}

// Rule is one entry of a Config: a built-in (Use), an ignore, or matchers with templates.
// All matchers that are set must hold. An empty template means the default for that output.
type Rule struct {
	// A built-in: `process_stack` (HTTP) or `queue_receive` (RPC).
	Use string `json:"use,omitempty"`
	// The beginning of a built-in's keys, e.g. `nova.api`.
	Prefix string `json:"prefix,omitempty"`
	// Mount points that process_stack cuts off the path, e.g. `/v2.1`; the longest that fits.
	Strip []string `json:"strip,omitempty"`
	// Calls that match are neither traced nor counted.
	Ignore bool `json:"ignore,omitempty"`

	// `http` or `rpc`; empty is told by the other matchers.
	Kind string `json:"kind,omitempty"`
	// HTTP methods, upper case; empty is any.
	Methods []string `json:"methods,omitempty"`
	// Host without port, with `*` for any text; a host with a port must match with it.
	Host string `json:"host,omitempty"`
	// Path pattern: `/v2.1/servers/{id}`; `*` is one segment, a last `**` is the rest.
	Path string `json:"path,omitempty"`
	// RPC: exchange, routing key, queue, topic, namespace and method, each with `*` for any text.
	Exchange   string `json:"exchange,omitempty"`
	RoutingKey string `json:"routing_key,omitempty"`
	Queue      string `json:"queue,omitempty"`
	Topic      string `json:"topic,omitempty"`
	Namespace  string `json:"namespace,omitempty"`
	RPCMethod  string `json:"rpc_method,omitempty"`

	// Templates, see the package documentation.
	Key     string `json:"key,omitempty"`
	Name    string `json:"name,omitempty"`
	Service string `json:"service,omitempty"`
	Action  string `json:"action,omitempty"`

	// Where the operator wrote it, for errors and explain.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// isRPC reports whether the rule, as far as it is written, is for RPC.
func (r *Rule) isRPC() bool {
	return r.Kind == "rpc" || r.Use == useQueueReceive || r.hasRPCMatcher()
}

func (r *Rule) hasRPCMatcher() bool {
	return r.Exchange != "" || r.RoutingKey != "" || r.Queue != "" || r.Topic != "" ||
		r.Namespace != "" || r.RPCMethod != ""
}

func (r *Rule) hasHTTPMatcher() bool {
	return len(r.Methods) > 0 || r.Host != "" || r.Path != ""
}
