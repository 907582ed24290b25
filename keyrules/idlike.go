package keyrules

// Which path segments name one thing among many (a server, a user, a day) and would make every URL
// a metric of its own. Without a rule there is only the look of a segment to go by, so this is a
// heuristic. It leans to the side of words: an id taken for a word is stopped by the bounded key
// table, a word taken for an id makes two routes one and cannot be told from the numbers.

const (
	maxWord  = 64 // no route word is longer
	maxToken = 32 // nor is one run of letters and digits in it, but in camelCase
)

// What bytes mean in a segment. A byte that is in no class (blank, quote, slash, '=', '%', non-ASCII,
// …) is not found in the words that programmers give to routes, only in values.
const (
	inLower = 1 << iota
	inUpper
	inDigit
	inHex
	inMark // joins words: - _ . ~ : + ! $ @ , ;
)

var classOf = func() (t [256]uint8) {
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = inLower, inUpper
	}
	for c := 'a'; c <= 'f'; c++ {
		t[c] |= inHex
		t[c-'a'+'A'] |= inHex
	}
	for c := '0'; c <= '9'; c++ {
		t[c] = inDigit | inHex
	}
	for _, c := range "-_.~:+!$@,;" {
		t[c] = inMark
	}
	return t
}()

// tally is what one pass over a segment, or over one token of it, counts.
type tally struct {
	lower, upper, digits, hexes int
	runs                        int // stretches of one class; a capital and its small letters are one
	switches                    int // changes between letters and digits
	digitRun                    int // longest stretch of digits
	last                        uint8
	now                         int // length of the present stretch of digits
}

func (t *tally) add(class uint8) {
	kind := class &^ inHex
	switch kind {
	case inLower:
		t.lower++
	case inUpper:
		t.upper++
	case inDigit:
		t.digits++
	}
	if class&inHex != 0 {
		t.hexes++
	}
	if kind != t.last {
		if !(kind == inLower && t.last == inUpper) {
			t.runs++
		}
		if t.last != 0 && (kind == inDigit) != (t.last == inDigit) {
			t.switches++
		}
	}
	if kind == inDigit {
		t.now++
		t.digitRun = max(t.digitRun, t.now)
	} else {
		t.now = 0
	}
	t.last = kind
}

// breakRun ends the present token.
func (t *tally) breakRun() { t.last, t.now = 0, 0 }

func (t *tally) length() int { return t.lower + t.upper + t.digits }

// opaque reports a random-looking mixture: classes change more often than in any compound word.
// Measured in letters a run: words ≥ 4, camelCase ≥ 3, base64 about 2, base32 and ULIDs about 2.5.
func (t *tally) opaque() bool {
	n := t.length()
	mixed := t.digits > 0 || t.lower > 0 && t.upper > 0
	return mixed && n >= 16 && t.runs*3 > n
}

// camelCase reports a compound of words, known by the stretches that capitals begin.
func (t *tally) camelCase() bool {
	return t.lower > 0 && t.upper > 0 && t.runs*4 <= t.length()
}

// isID reports whether a segment looks like an id: integers, UUIDs with and without dashes, hex of 8
// and more with a digit in it, dates, times, addresses, e-mail, base64, long or random tokens,
// anything with a byte that words do not have, and placeholders such as {id}.
func isID(s string) bool {
	if s == "" || isVersion(s) {
		return false
	}
	if len(s) > maxWord || s[0] == '{' {
		return true
	}
	var whole, token tally
	colons := 0
	for i := 0; i < len(s); i++ {
		class := classOf[s[i]]
		switch {
		case class == 0:
			return true
		case class == inMark:
			if s[i] == ':' {
				colons++
			}
			if s[i] == '@' && i > 0 && i < len(s)-1 {
				return true // e-mail, user@host; but @user and latest@ are words
			}
			if token.isID() {
				return true
			}
			token = tally{}
			whole.breakRun()
		default:
			whole.add(class)
			token.add(class)
		}
	}
	return token.isID() || whole.isWholeID(colons)
}

// isID judges one run of letters and digits.
func (t *tally) isID() bool {
	n := t.length()
	switch {
	case n < 5:
		return false
	case n > maxToken && !t.camelCase(), t.digitRun >= 5:
		return true
	case n >= 8 && t.digits > 0 && t.hexes == n:
		return true
	default:
		return n >= 8 && t.switches >= 3 || t.opaque()
	}
}

// isWholeID judges all tokens of a segment together: ids that marks cut into pieces.
func (t *tally) isWholeID(colons int) bool {
	n := t.length()
	switch {
	case n == 0:
		return false
	case t.digits == n: // 17, 2024-01-31, 10.0.0.5, 12:30
		return true
	case t.digits >= 6 && t.digits > 2*(t.lower+t.upper): // 2024-01-31T10:00:00Z
		return true
	case t.hexes == n && (n >= 8 && t.digits > 0 || n == 32 || colons >= 2): // UUID, MAC, IPv6
		return true
	default:
		return t.opaque()
	}
}

// isVersion reports v1, v2.1, v1beta1, V3: the one kind of word that is mostly digits.
func isVersion(s string) bool {
	if len(s) < 2 || s[0]|0x20 != 'v' || !isDigit(s[1]) || len(s) > 12 {
		return false
	}
	i := skipNumber(s, 1)
	if i < len(s) && s[i] >= 'a' && s[i] <= 'z' {
		for i < len(s) && s[i] >= 'a' && s[i] <= 'z' {
			i++
		}
		i = skipNumber(s, i)
	}
	return i == len(s)
}

// isBareVersion reports 2.0 and 1.24, which are versions where a path begins and numbers elsewhere.
func isBareVersion(s string) bool {
	return len(s) >= 3 && len(s) <= 5 && isDigit(s[0]) && isDigit(s[len(s)-1]) && skipNumber(s, 0) == len(s) &&
		countByte(s, '.') == 1
}

// skipNumber returns the index behind the digits and dots that begin at i; a part of more than four
// digits is no version.
func skipNumber(s string, i int) int {
	run := 0
	for ; i < len(s) && (isDigit(s[i]) || s[i] == '.'); i++ {
		if run++; s[i] == '.' {
			run = 0
		}
		if run > 4 {
			return i
		}
	}
	return i
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func countByte(s string, c byte) int {
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] == c {
			n++
		}
	}
	return n
}
