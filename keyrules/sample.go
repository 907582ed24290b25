package keyrules

import (
	"fmt"
	"strconv"
)

// compileSample reads what a rule says of recording its calls.
func compileSample(text string) (*Sampling, error) {
	switch text {
	case "":
		return nil, nil
	case "off":
		return &Sampling{Final: true}, nil
	case "always":
		return &Sampling{Share: 1, Final: true}, nil
	}
	share, err := strconv.ParseFloat(text, 64)
	if err != nil || !(share >= 0 && share <= 1) {
		return nil, fmt.Errorf("sample %q: want a share from 0 to 1 such as 0.1, off or always", text)
	}
	return &Sampling{Share: share}, nil
}

// String is the word for it in a rule.
func (s *Sampling) String() string {
	switch {
	case s == nil:
		return ""
	case !s.Final:
		return strconv.FormatFloat(s.Share, 'g', -1, 64)
	case s.Share > 0:
		return "always"
	}
	return "off"
}

// Samples reports whether a rule for RPC says what is recorded, so that Sampling is worth asking.
func (s *Set) Samples() bool { return s.samplesRPC }

// Sampling is that of the Result which Resolve would give for an RPC. It counts nothing, and asks for less.
func (s *Set) Sampling(c *Call) *Sampling {
	f := s.rpcFacts(c)
	f.kind = RPC
	number := s.rpc.find(s.rules, &f)
	return s.rule(number).sample
}
