package spanbuilder

// hexValue maps a character to its value, 0xff if it is no hex digit. Upper case has bit 0x40 set, so
// that one table serves formats that allow it and those that do not.
var hexValue = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for c := byte('0'); c <= '9'; c++ {
		t[c] = c - '0'
	}
	for c := byte('a'); c <= 'f'; c++ {
		t[c] = c - 'a' + 10
		t[c-'a'+'A'] = (c - 'a' + 10) | 0x40
	}
	return t
}()

// parseHex reads at most 16 hex digits. It reads them all even when the first is bad: the inputs are
// short, and a loop without exit is faster for good ones.
func parseHex(s string, upper bool) (uint64, bool) {
	limit := byte(0x0f)
	if upper {
		limit = 0x4f
	}
	var v uint64
	var seen byte
	for i := 0; i < len(s); i++ {
		d := hexValue[s[i]]
		seen |= d
		v = v<<4 | uint64(d&0x0f)
	}
	return v, seen&^limit == 0
}
