package keyrules

// Explanation is how a Set comes to a Result, for people. It is what `calltap explain` prints; the
// words of its JSON form are fixed.
type Explanation struct {
	Key        string   `json:"key"`
	Span       string   `json:"span"`
	Service    string   `json:"service"`
	Action     string   `json:"action"`
	ActionFrom string   `json:"action_from"` // rule, table, body, shape, or none
	Rule       string   `json:"rule"`        // FILE:LINE, or default
	Table      string   `json:"table,omitempty"`
	Ignore     bool     `json:"ignore,omitempty"`
	Category   string   `json:"category,omitempty"`
	Tags       []Tag    `json:"tags,omitempty"`
	Notes      []string `json:"notes,omitempty"`
	Before     []Miss   `json:"before,omitempty"` // the rules that were tried before, in order
}

// Miss is a rule that did not match.
type Miss struct {
	Rule string `json:"rule"` // FILE:LINE
	Why  string `json:"why"`  // its first matcher that failed, such as `method: POST is not GET`
}

// Unmatched is a kind of call that no rule and no route table took.
type Unmatched struct {
	Kind     string `json:"kind"`             // http or rpc
	Method   string `json:"method"`           // of HTTP or of the RPC
	Path     string `json:"path,omitempty"`   // HTTP: with ids as {id}
	Action   string `json:"action,omitempty"` // HTTP: by shape
	Exchange string `json:"exchange,omitempty"`
	Topic    string `json:"topic,omitempty"`
	Service  string `json:"service,omitempty"`
	Key      string `json:"key"` // the default's
	Count    uint64 `json:"count"`
	Example  string `json:"example,omitempty"` // HTTP: a path that was seen, without opaque segments
}

// Offender is a call whose key had no room in the key table.
type Offender struct {
	Key  string `json:"key"`  // that it would have had
	Rule string `json:"rule"` // FILE:LINE, or default
}

// Warning is something in a Config that loads but cannot be meant.
type Warning struct {
	Where string `json:"where"` // FILE:LINE, or FILE:LINE:COLUMN where known
	Text  string `json:"text"`  // what, and how to put it right
}

// String is FILE:LINE: TEXT.
func (w Warning) String() string { return w.Where + ": " + w.Text }
