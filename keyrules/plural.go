package keyrules

import "strings"

// Whether a word names many things tells a collection from a member where no id does: keypairs/mine,
// but auth/tokens. English is the language of nearly all APIs.

// manyThings are words for many things that do not end in s; fewThings are words that do, for one.
var (
	manyThings = makeSet("metadata", "meta", "data", "media", "people", "children", "criteria", "labels")
	fewThings  = makeSet("dns", "tls", "aws", "gcs", "sms", "gps", "ios", "nas", "gas", "lens", "https", "rss", "css",
		"os", "js", "kubernetes", "windows", "news", "canvas", "alias", "atlas", "bias")
)

// isPlural judges the last word of a compound: os-extra_specs, userGroups, ip_addresses.
func isPlural(word string) bool {
	last := lastWord(word)
	if _, ok := manyThings[last]; ok {
		return true
	}
	if _, ok := fewThings[last]; ok || len(last) < 3 || last[len(last)-1]|0x20 != 's' {
		return false
	}
	before := last[len(last)-2] | 0x20
	return before != 's' && before != 'u' && before != 'i' // access, status, analysis
}

// lastWord cuts a compound at its last mark or, in camelCase, its last capital.
func lastWord(word string) string {
	for i := len(word) - 1; i > 0; i-- {
		switch c := word[i]; {
		case c == '-' || c == '_' || c == '.':
			return word[i+1:]
		case c >= 'A' && c <= 'Z' && word[i-1] >= 'a' && word[i-1] <= 'z':
			return word[i:]
		}
	}
	return word
}

// firstWord cuts a compound behind its first word. mark is how it was joined: 0 if it is no compound,
// 'A' in camelCase.
func firstWord(word string) (first string, mark byte) {
	if i := strings.IndexAny(word, "_-"); i > 0 {
		return word[:i], word[i]
	}
	for i := 1; i < len(word); i++ {
		if c := word[i]; c >= 'A' && c <= 'Z' && word[i-1] >= 'a' && word[i-1] <= 'z' {
			return word[:i], 'A'
		}
	}
	return word, 0
}
