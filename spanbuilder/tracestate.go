package spanbuilder

import "strings"

// What W3C says of a tracestate that is too long to pass on whole (https://www.w3.org/TR/trace-context/#tracestate-limits): at
// least 512 characters are passed on, entries above 128 are left out first, then the last ones. An entry is never cut.
const (
	maxState        = 512
	longStateEntry  = 128
	maxStateEntries = 32
	maxStateRead    = 16 << 10 // what stands behind that is not looked at
)

// joinState combines the lines of a tracestate to what is passed on. It does not allocate for one line of up to 512 bytes.
func joinState(lines []string) string {
	if len(lines) == 1 {
		return boundState(lines[0])
	}
	n := -1
	for _, line := range lines {
		n += len(line) + 1
	}
	if n <= maxState {
		return strings.Join(lines, ",")
	}
	return shorten(lines...)
}

// boundState is joinState of one line.
func boundState(s string) string {
	if len(s) <= maxState {
		return s
	}
	return shorten(s)
}

// shorten keeps what fits of a tracestate that is too long.
func shorten(lines ...string) string {
	var text []byte
	entries, left := 0, maxStateRead
	for _, line := range lines {
		if len(line) > left {
			line = line[:max(strings.LastIndexByte(line[:left], ','), 0)]
		}
		left -= min(left, len(line)+1)
		for entry := ""; line != "" && entries < maxStateEntries; {
			entry, line, _ = strings.Cut(line, ",")
			entry = strings.Trim(entry, " \t")
			switch {
			case entry == "" || len(entry) > longStateEntry:
				continue
			case len(text)+1+len(entry) > maxState:
				return string(text)
			case text == nil:
				text = make([]byte, 0, maxState)
			default:
				text = append(text, ',')
			}
			text = append(text, entry...)
			entries++
		}
	}
	return string(text)
}

// passState makes state the tracestate of a request that has one.
func passState(h map[string][]string, state string) {
	v := h["Tracestate"]
	switch {
	case len(v) == 0:
	case state == "":
		delete(h, "Tracestate")
	case len(v) != 1 || v[0] != state:
		h["Tracestate"] = []string{state}
	}
}
