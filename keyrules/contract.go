package keyrules

// Kind tells an HTTP request from an RPC.
type Kind uint8

// The kinds of call that rules tell apart.
const (
	HTTP Kind = iota + 1
	RPC
)

// Call holds the facts about one call that rules may read. All strings are foreign input; none is
// kept after Resolve returns unless it is part of a cached, bounded result.
type Call struct {
	Kind    Kind
	Service string // the site's or the tap's own name for the service, "" if unknown

	// HTTP
	Method string
	Host   string
	Path   string // as the client sent it, before rewrites, unescaped
	Status int
	// BodyKey is the first key of a JSON object body, "" if none or unknown. See Peek.
	BodyKey string

	// RPC
	Exchange   string
	RoutingKey string
	Queue      string // of the delivery, "" if none was seen
	Topic      string // oslo: routing key or exchange without host and _fanout
	Namespace  string
	RPCMethod  string
	Form       string // call, cast, fanout, notification

	Error string // "" is success; else the class of the failure
}

// Result is what the rules make of a Call.
type Result struct {
	Key     string // dotted metric key, every segment safe, never empty
	Name    string // span name, low cardinality, never empty
	Service string // service name, "" if neither rule nor call has one
	Action  string // "" if none
	Rule    string // "FILE:LINE" of the rule, "default" without one
	Ignore  bool   // the call is to be neither traced nor counted
}

// Hint is what must be known of an HTTP call before it runs.
type Hint struct {
	Ignore bool // an ignore rule matches: do nothing at all
	Body   bool // the result may depend on the first key of a JSON body
}

// Config is the rule set as written by the operator, in order: the first match wins.
type Config struct {
	Rules   []Rule `json:"rules,omitempty"`
	MaxKeys int    `json:"max_keys,omitempty"` // default 2000
}

// Rule is one entry of a Config: a built-in (Use), an ignore, or matchers with templates.
// All matchers that are set must hold. An empty template means the default for that output.
type Rule struct {
	// Use names a built-in: process_stack or queue_receive.
	Use    string   `json:"use,omitempty"`
	Prefix string   `json:"prefix,omitempty"` // of Use: the key's beginning, e.g. nova.api
	Strip  []string `json:"strip,omitempty"`  // of process_stack: mount points cut off the path
	Ignore bool     `json:"ignore,omitempty"`

	Kind       string   `json:"kind,omitempty"`   // http or rpc; "" is told by the other matchers
	Methods    []string `json:"methods,omitempty"` // HTTP methods; empty is any
	Host       string   `json:"host,omitempty"`
	Path       string   `json:"path,omitempty"` // /v2.1/servers/{id}, *, **
	Exchange   string   `json:"exchange,omitempty"`
	RoutingKey string   `json:"routing_key,omitempty"`
	Queue      string   `json:"queue,omitempty"`
	Topic      string   `json:"topic,omitempty"`
	Namespace  string   `json:"namespace,omitempty"`
	RPCMethod  string   `json:"rpc_method,omitempty"`

	Key     string `json:"key,omitempty"`
	Name    string `json:"name,omitempty"`
	Service string `json:"service,omitempty"`
	Action  string `json:"action,omitempty"`

	File string `json:"file,omitempty"` // where the operator wrote it, for errors and explain
	Line int    `json:"line,omitempty"`
}

// Set is a compiled Config. It is safe for concurrent use and its lookups never fail.
type Set struct{ _ struct{} }

// Compile turns a Config into a Set. Its errors begin with FILE:LINE of the rule.
func Compile(c Config) (*Set, error) { return &Set{}, nil }

// Peek answers, before an HTTP call runs, whether it is ignored and whether its body matters.
func (s *Set) Peek(method, host, path string) Hint { return Hint{} }

// Resolve gives the key, span name, service and action of a finished call.
func (s *Set) Resolve(c *Call) Result { return Result{Key: "todo", Name: "todo", Rule: "default"} }
