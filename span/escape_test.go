package span

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Words overlap at the end of a string, short ones are put together from pieces, and what is special is found by its bits: so each byte is
// tried at each place of each length that differs.
func TestAnyByteAtAnyPlaceIsReadBackAsItWas(t *testing.T) {
	for n := 1; n <= 3*wordSize; n++ {
		for at := range n {
			for c := range 256 {
				in := []byte(strings.Repeat("o", n))
				in[at] = byte(c)
				requireReadBack(t, string(in))
				in[n-1-at/2] = '"' // and one before or behind it
				requireReadBack(t, string(in))
			}
		}
	}
}

func TestLettersAcrossWordsAreReadBackAsTheyWere(t *testing.T) {
	for _, letters := range []string{"é", "öß", "日", "日本語", "\u2028", "\U0001f600", "é\"é\\", "\xc3", "\xe6\x97", "\xf0\x9f\x98", "\xc3é", "\ufffd\xff"} {
		for before := range 2*wordSize + 1 {
			for behind := range 2*wordSize + 1 {
				requireReadBack(t, strings.Repeat("b", before)+letters+strings.Repeat("e", behind))
			}
		}
	}
}

// requireReadBack also has it that no more room is taken for granted than there is, and that what was there stays.
func requireReadBack(t *testing.T, in string) {
	t.Helper()
	const begin = `["`
	out := appendText(append(make([]byte, 0, len(begin)), begin...), in)
	var got []string
	if err := json.Unmarshal(append(out, ']'), &got); err != nil || got[0] != fffd(in) {
		t.Fatalf("%q became %s: %v", in, out, err)
	}
}

func TestAStringFitsWhateverRoomIsLeft(t *testing.T) {
	for _, in := range []string{"", "GET", "1234567", "12345678", "123456789abcdef01", "a\x01b", "12345678\x01\x01\x01"} {
		for room := range 100 {
			out := appendText(append(make([]byte, 0, 1+room), '"'), in)
			var got string
			require.NoError(t, json.Unmarshal(out, &got))
			require.Equal(t, in, got)
		}
	}
}

func TestPlainMeansThatNothingIsEscaped(t *testing.T) {
	for n := range 2*wordSize + 2 {
		in := strings.Repeat("p", n)
		require.True(t, plain(in), n)
		for at := range n {
			for _, c := range []string{`"`, `\`, "\x00", "\x1f", "\x80", "\xff"} {
				require.False(t, plain(in[:at]+c+in[at+1:]))
			}
			require.True(t, plain(in[:at]+"\x7f"+in[at+1:]), "DEL is written as it is")
		}
	}
}
