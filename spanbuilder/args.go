package spanbuilder

import "strings"

const (
	maxArg  = 256  // bytes of one argument's value
	maxArgs = 2048 // bytes of all that is kept of a message's arguments
)

// Args are those arguments of an RPC that rules ask for by name, as `NAME NUL VALUE NUL …`: one string,
// so that messages with equal arguments are equal. It is empty unless a rule asks.
type Args string

// AppendArg adds an argument to what becomes Args. What would exceed the bounds is left out.
func AppendArg(b []byte, name, value string) []byte {
	if cut := strings.IndexByte(value, 0); cut >= 0 {
		value = value[:cut]
	}
	if len(value) > maxArg {
		value = clip(value)
	}
	if name == "" || strings.IndexByte(name, 0) >= 0 || len(b)+len(name)+len(value)+2 > maxArgs {
		return b
	}
	b = append(append(b, name...), 0)
	return append(append(b, value...), 0)
}

// Get returns the value of an argument, "" if it is not there. The last of its name counts.
func (a Args) Get(name string) (value string) {
	for rest := string(a); rest != ""; {
		n, after, _ := strings.Cut(rest, "\x00")
		v, next, _ := strings.Cut(after, "\x00")
		if n == name {
			value = v
		}
		rest = next
	}
	return value
}
