package keyrules

import "strings"

// NearestWord returns the valid word that is the fewest typing errors (letters missing, added,
// wrong or swapped) away from word, without regard to case; the first of several. It is "" only if
// there are no valid words.
func NearestWord(word string, valid []string) string {
	const longest = 64 // of foreign text; no valid word comes near it
	if len(word) > longest {
		word = word[:longest]
	}
	best, least := "", 0
	for _, v := range valid {
		if d := typos(strings.ToLower(word), strings.ToLower(v)); best == "" || d < least {
			best, least = v, d
		}
	}
	return best
}

// typos is the optimal string alignment distance of a and b.
func typos(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			wrong := 1
			if a[i-1] == b[j-1] {
				wrong = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+wrong)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
