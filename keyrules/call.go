package keyrules

// Kind tells an HTTP request from an RPC.
type Kind uint8

// The kinds of call that rules tell apart.
const (
	HTTP Kind = iota + 1
	RPC
)

// Call holds the facts about one call that rules may read. All strings are foreign input, of which
// the first 4 KiB count; none is kept after Resolve returns, but for copies in bounded tables.
type Call struct {
	Kind    Kind   // anything but RPC is read as HTTP
	Service string // the site's or the tap's own name for the service, "" if unknown

	// HTTP
	Method string
	Host   string // with or without a port
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

// Result is what the rules make of a Call. Its strings never share memory with the Call.
type Result struct {
	Key     string // dotted metric key, ≤ 250 bytes, every segment of [A-Za-z0-9_-], never empty
	Name    string // span name, low cardinality, ≤ 250 bytes, printable, never empty
	Service string // service name, "" if neither rule nor call has one
	Action  string // one safe segment, "" if none
	Rule    string // "FILE:LINE" of the rule ("rule N" if the Config names no file), "default" without one
	Ignore  bool   // the call is to be neither traced nor counted
}

// Hint is what must be known of an HTTP call before it runs.
type Hint struct {
	Ignore bool // an ignore rule matches: do nothing at all
	Body   bool // the result may depend on the first key of a JSON body
}
