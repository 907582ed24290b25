package dialect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf16"
)

func compact(b []byte) []byte {
	var out bytes.Buffer
	if err := json.Compact(&out, b); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func indent(b []byte) []byte {
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "\t"); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// ascii escapes what is not ASCII, as Python's json.dumps does by default.
func ascii(b []byte) []byte {
	var out []byte
	for _, r := range string(b) {
		if r < 0x80 {
			out = append(out, byte(r))
			continue
		}
		for _, u := range utf16.Encode([]rune{r}) {
			out = fmt.Appendf(out, `\u%04x`, u)
		}
	}
	return out
}

// overLimits reports whether the reference reads what the decoder refuses for its limits: long
// members and deep nesting. It errs on the side of yes.
func overLimits(body []byte) bool {
	return len(body) > maxField || bytes.Count(body, []byte("["))+bytes.Count(body, []byte("{")) > maxDepth
}
