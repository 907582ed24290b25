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

	// Route tables, which tell actions and patterns of calls that no rule takes, or that a rule takes
	// without saying the action.
	Routes []Routes `json:"routes,omitempty"`
}

// Routes is one route table of a Config: what an API's own router knows.
type Routes struct {
	// What stands before each path of the table, such as `/v2.1`.
	Prefix string `json:"prefix,omitempty"`
	// Template of the key, such as `nova.api.{route}.{action}.{method}`. Empty: the table gives actions,
	// and the key stays what it would be without it.
	Key string `json:"key,omitempty"`
	// Template of the service; empty is the call's own.
	Service string `json:"service,omitempty"`
	// Only for this Host, with `*` for any text; empty is any.
	Host string `json:"host,omitempty"`
	// The routes, in any order: a word goes before a {name}.
	Table []Route `json:"table"`

	// Where the operator wrote it, for errors and explain.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// Route is one line of a route table.
type Route struct {
	Method string `json:"method"` // upper case; `*` is any
	Path   string `json:"path"`   // a pattern as in a Rule, without the Prefix
	Action string `json:"action"` // what the API calls it; made one safe key segment

	// Where it stands in the table's own file.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// Match is a matcher of a named thing, such as a header.
type Match struct {
	Name string `json:"name"`
	// With `*` for any text; empty or `*` is: it is there.
	Value string `json:"value,omitempty"`
}

// Tag is a name and its template in a Rule, a name and its text in a Result.
type Tag struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Rule is one entry of a Config: a built-in (Use), an ignore, or matchers with templates.
// All matchers that are set must hold. An empty template means the default for that output.
type Rule struct {
	// A built-in: `process_stack` (HTTP) or `queue_receive` (RPC).
	Use string `json:"use,omitempty"`
	// The beginning of a built-in's keys, e.g. `nova.api`.
	Prefix string `json:"prefix,omitempty"`
	// The one segment of the path, from 1, that process_stack puts into the key: 2 is tach's later form.
	// 0 is its first form: the first two segments.
	Segment int `json:"segment,omitempty"`
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
	// RPC: call, cast, fanout or notification, with `*` for any text.
	Form string `json:"form,omitempty"`
	// HTTP: status codes `404` and classes `5xx`; one of them.
	Statuses []string `json:"statuses,omitempty"`
	// HTTP: headers of the request, all of them.
	Headers []Match `json:"headers,omitempty"`
	// HTTP: the first key of a JSON body, with `*` for any text.
	JSON string `json:"json,omitempty"`

	// Templates, see the package documentation.
	Key     string `json:"key,omitempty"`
	Name    string `json:"name,omitempty"`
	Service string `json:"service,omitempty"`
	Action  string `json:"action,omitempty"`
	// Category sorts calls more coarsely than keys do (read, write, admin). A template.
	Category string `json:"category,omitempty"`
	// Further tags of the span: names, and templates of their values. At most 16.
	Tags []Tag `json:"tags,omitempty"`
	// Counters beside the key, KEY.NOTE: templates of one segment each. At most 16.
	Notes []string `json:"notes,omitempty"`

	// Which of its calls are recorded in traces; all are counted. A share from 0 to 1 of the traces that
	// begin with such a call; `off` is none of them, and `always` all, whatever anybody else decided.
	Sample string `json:"sample,omitempty"`

	// The number of different keys that this rule may make; 0 leaves it to the Config's MaxKeys.
	// Further ones become `_other`.
	MaxKeys int `json:"max_keys,omitempty"`

	// Where the operator wrote it, for errors and explain.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// isRPC reports whether the rule, as far as it is written, is for RPC.
func (r *Rule) isRPC() bool {
	return r.Kind == "rpc" || isQueueUse(r.Use) || r.hasRPCMatcher()
}

func (r *Rule) hasRPCMatcher() bool {
	return r.Exchange != "" || r.RoutingKey != "" || r.Queue != "" || r.Topic != "" ||
		r.Namespace != "" || r.RPCMethod != "" || r.Form != ""
}

func (r *Rule) hasHTTPMatcher() bool {
	return len(r.Methods) > 0 || r.Host != "" || r.Path != "" || len(r.Statuses) > 0 || len(r.Headers) > 0 || r.JSON != ""
}
