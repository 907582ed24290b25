package keyrules

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
	Example  string `json:"example,omitempty"` // HTTP: a path that came twice, without what may be secret
}

// Offender is a call whose key had no room in the key table.
type Offender struct {
	Key  string `json:"key"`  // that it would have had
	Rule string `json:"rule"` // FILE:LINE, or default
}
