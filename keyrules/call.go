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

	// What rules ask for by name, and only what Set.Needs lists is ever asked; "" is not there. Each may
	// be nil: nothing is there. They are called before Resolve returns and never after.
	Header func(name string) string // HTTP: of the request
	JSON   func(path string) string // HTTP: a value of the JSON body, by a dotted path; see LookupJSON
	RPCArg func(path string) string // RPC: an argument of the method, by a dotted path
}

// Result is what the rules make of a Call. Its strings never share memory with the Call.
type Result struct {
	Key     string // dotted metric key, ≤ 250 bytes, every segment of [A-Za-z0-9_-], never empty
	Name    string // span name, low cardinality, ≤ 250 bytes, printable, never empty
	Service string // service name, "" if neither rule nor call has one
	Action  string // one safe segment, "" if none
	Rule    string // "FILE:LINE" of the rule ("rule N" if the Config names no file), "default" without one
	Ignore  bool   // the call is to be neither traced nor counted

	Category string   // ≤ 250 bytes, printable, low cardinality, "" if no rule gives one
	Tags     []Tag    // of the rule, those with a value, which is ≤ 250 bytes and printable; shared, not to be changed
	Notes    []string // of the rule, each one safe segment; shared, not to be changed

	Sample *Sampling // of the rule, nil if it leaves that to others; shared, not to be changed
}

// Sampling is what a rule says of recording its calls.
type Sampling struct {
	Share float64 // of the traces that begin with such a call, 0 to 1
	Final bool    // Share is 0 or 1, of the calls themselves, and nothing else decides about them
}

// Needs is what the rules of a Set read by name. Who fills in a Call need not look at anything else:
// what no rule names is read by nobody.
type Needs struct {
	Headers   []string // HTTP request headers, as the rules spell them
	JSONPaths []string // dotted paths into a JSON body of POST, PUT and PATCH
	RPCArgs   []string // dotted paths into the arguments of an RPC
}

// Hint is what must be known of an HTTP call before it runs.
type Hint struct {
	Ignore bool // an ignore rule matches: do nothing at all
	Body   bool // the result may depend on the first key of a JSON body
	JSON   bool // the result may depend on values of a JSON body, those of Needs.JSONPaths

	Sample *Sampling // as in the Result, if it is certain by now which rule that will be of
}
