package caddymodule

// mended makes whole JSON of the beginning of some, so that what stands in it can be looked up: it takes the
// value away that is cut in two, and closes what is open. Other text it makes no worse.
//
//	{"server": {"name": "a", "user_data": "Zm9…      ──►      {"server": {"name": "a"}}
func mended(text []byte) []byte {
	var open []byte // closing brackets that are due, the outermost first
	good := 0       // text up to here lacks only those
	inString := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case inString:
			if c == '\\' {
				i++
			}
			inString = c != '"'
		case c == '"':
			inString = true
		case c == '{':
			open, good = append(open, '}'), i+1
		case c == '[':
			open, good = append(open, ']'), i+1
		case c == ',':
			good = i
		case (c == '}' || c == ']') && len(open) > 0:
			open, good = open[:len(open)-1], i+1
		}
	}
	if len(open) == 0 {
		return text
	}
	whole := append(make([]byte, 0, good+len(open)), text[:good]...)
	for i := len(open) - 1; i >= 0; i-- {
		whole = append(whole, open[i])
	}
	return whole
}
