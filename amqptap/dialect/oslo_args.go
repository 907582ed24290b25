package dialect

import (
	"slices"
	"strings"

	"github.com/calltap/calltap/spanbuilder"
)

// osloArgReader reads the arguments that rules ask for, by dotted paths into `args`:
//
//	"args": {"objname": "Instance", "objinst": {"nova_object.name": "Instance", …}, "context": …}
//
//	objname                          Instance
//	objinst.nova_object.name         Instance: dots in a path may be dots in a name
//
// It enters only objects on the way to one of them; all else is walked over unseen, as args are as a
// whole if no rule asks.
type osloArgReader struct {
	wanted []string
	path   []byte // to the member at hand
	found  []byte // what becomes Message.Args
}

// readArgs implements argReader.
func (o *oslo) readArgs(paths []string) {
	o.args.wanted = paths
	o.twins.forget()
}

// arguments reads the value of the message's member args, on which s stands.
func (o *oslo) arguments(s *scanner) {
	o.args.path, o.args.found = o.args.path[:0], o.args.found[:0]
	if s.atObject() {
		o.argsBelow(s)
	} else {
		s.value()
	}
}

// argsBelow reads the object that s stands on. It is as deep as the longest path at most.
func (o *oslo) argsBelow(s *scanner) {
	s.open()
	above := len(o.args.path)
	for {
		name, ok := s.key()
		if !ok {
			return
		}
		if above > 0 {
			o.args.path = append(o.args.path[:above], '.')
		}
		isWanted, leads := false, false
		if len(name) <= maxField {
			o.args.path = append(o.args.path, o.str(name, s.level)...)
			isWanted, leads = o.args.match()
		}
		if leads && s.atObject() {
			o.argsBelow(s)
		} else if kind, raw, ok := s.value(); ok && isWanted {
			o.keepArg(kind, raw, s.level)
		}
		o.args.path = o.args.path[:above]
		if s.fault != faultNone {
			return
		}
	}
}

// match reports whether the path is wanted, and whether it leads to one that is.
func (a *osloArgReader) match() (wanted, leads bool) {
	for _, path := range a.wanted {
		if rest, ok := strings.CutPrefix(path, string(a.path)); ok {
			wanted = wanted || rest == ""
			leads = leads || rest != "" && rest[0] == '.'
		}
	}
	return wanted, leads
}

// keepArg keeps a value: a string, a number or a truth value.
func (o *oslo) keepArg(k kind, raw []byte, level uint) {
	if len(raw) > maxField || k == kindNested || k == kindLiteral && string(raw) == "null" {
		return
	}
	value := ""
	if k == kindString {
		value = o.str(raw, level)
	} else {
		value = view(raw)
	}
	o.args.found = spanbuilder.AppendArg(o.args.found, string(o.args.path), value)
}

// ReadArgs says which arguments of RPC to read into Message.Args, by dotted paths: those that rules name,
// and no others. Of dialects that cannot, it asks nothing.
func (s *Set) ReadArgs(paths []string) {
	paths = slices.Clone(paths)
	for _, d := range s.dialects {
		if r, ok := d.(argReader); ok {
			r.readArgs(paths)
		}
	}
}

// argReader is a dialect that can read arguments.
type argReader interface{ readArgs(paths []string) }
