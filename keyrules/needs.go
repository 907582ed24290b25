package keyrules

import (
	"fmt"
	"slices"
)

// maxNeeds is how many headers, JSON values and RPC arguments the rules of a Set may name together.
const maxNeeds = 16

// need is one of them. Its place in Set.needs is the place of its value in values.
type need struct {
	field field // fieldHeader, fieldJSONPath or fieldArg
	name  string
}

// values are what a Call has for the needs of a Set, each bounded; "" is not there.
type values [maxNeeds]string

// wants collects what the rules of a Set name while they are compiled.
type wants struct{ needs []need }

// place returns where the value will be.
func (w *wants) place(f field, name string) (int, error) {
	n := need{f, name}
	if i := slices.Index(w.needs, n); i >= 0 {
		return i, nil
	}
	if len(w.needs) == maxNeeds {
		return 0, fmt.Errorf("more than %d different headers, JSON values and RPC arguments in all rules", maxNeeds)
	}
	w.needs = append(w.needs, n)
	return len(w.needs) - 1, nil
}

// Needs returns what the rules read by name. It allocates: ask once.
func (s *Set) Needs() (n Needs) {
	for _, need := range s.needs {
		switch need.field {
		case fieldHeader:
			n.Headers = append(n.Headers, need.name)
		case fieldJSONPath:
			n.JSONPaths = append(n.JSONPaths, need.name)
		case fieldArg:
			n.RPCArgs = append(n.RPCArgs, need.name)
			if other := argElsewhere[need.name]; other != "" {
				n.RPCArgs = append(n.RPCArgs, other)
			}
		}
	}
	return n
}

// argElsewhere names where an argument may also be found. oslo.versionedobjects sends class methods
// with objname and methods of an object with the object itself, which holds its own name; so one rule
// serves both.
var argElsewhere = map[string]string{"objname": "objinst.nova_object.name"}

// ask reads from the call what the rules name, and nothing else.
func (s *Set) ask(c *Call, v *values) []string {
	if len(s.needs) == 0 {
		return nil
	}
	for i := range s.needs {
		v[i] = cut(s.needs[i].of(c))
	}
	return v[:len(s.needs)]
}

func (n *need) of(c *Call) string {
	rpc := c.Kind == RPC
	switch {
	case n.field == fieldHeader && !rpc && c.Header != nil:
		return c.Header(n.name)
	case n.field == fieldJSONPath && !rpc && c.JSON != nil:
		return c.JSON(n.name)
	case n.field == fieldArg && rpc && c.RPCArg != nil:
		if value := c.RPCArg(n.name); value != "" {
			return value
		}
		if other := argElsewhere[n.name]; other != "" {
			return c.RPCArg(other)
		}
	}
	return ""
}
