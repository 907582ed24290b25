package spanbuilder

// parseDecimal reads a number as programs print it: 1 to 20 digits without sign or leading zero, at most 2^64-1.
func parseDecimal[T string | []byte](s T) (v uint64, ok bool) {
	if len(s) == 0 || len(s) > 20 || s[0] == '0' && len(s) > 1 {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		d := uint64(s[i] - '0')
		if d > 9 || v > (1<<64-1-d)/10 {
			return 0, false
		}
		v = v*10 + d
	}
	return v, true
}
