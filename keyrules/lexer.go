package keyrules

import (
	"fmt"
	"strings"
)

// word is a word of a rule file and where it stands, from 1; columns are bytes.
type word struct {
	text         string
	line, column int
	quoted       bool
}

// line is a line of a rule file that has words on it.
type line struct {
	words []word
	opens bool // it ends in {
}

func (l *line) closes() bool {
	return len(l.words) == 1 && l.words[0].text == "}" && !l.words[0].quoted
}

func (l *line) texts() []string { return texts(l.words) }

func texts(words []word) []string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = w.text
	}
	return all
}

// lexRules cuts a file into lines of words, as Caddy does: words are parted by blanks, quotes keep
// blanks, a backslash keeps a quote, # before a word begins a comment, { ends a line.
func lexRules(text string) (lines []line, err error) {
	text = strings.TrimPrefix(text, "\ufeff")
	for n, rest := 1, text; rest != ""; n++ {
		var one string
		one, rest, _ = strings.Cut(rest, "\n")
		words, err := lexLine(strings.TrimSuffix(one, "\r"), n)
		if err != nil {
			return nil, err
		}
		l := line{words: words}
		if last := len(words) - 1; last >= 0 && words[last].text == "{" && !words[last].quoted {
			if last == 0 {
				return nil, fail(words[0], fmt.Errorf("{ stands alone; it belongs at the end of the line before"))
			}
			l.opens, l.words = true, words[:last]
		}
		if len(l.words) > 0 {
			lines = append(lines, l)
		}
	}
	return lines, nil
}

func lexLine(text string, n int) (words []word, err error) {
	for i := 0; i < len(text); {
		switch c := text[i]; c {
		case ' ', '\t':
			i++
		case '#':
			return words, nil
		case '"', '`':
			w := word{line: n, column: i + 1, quoted: true}
			var size int
			if w.text, size = quoted(text[i+1:], c); size < 0 {
				return nil, fail(w, fmt.Errorf("a quote without its partner"))
			}
			words = append(words, w)
			i += size + 1
		default:
			from := i
			for i < len(text) && text[i] != ' ' && text[i] != '\t' {
				i++
			}
			words = append(words, word{text: text[from:i], line: n, column: from + 1})
		}
	}
	return words, nil
}

// quoted reads up to the closing quote and returns how long that was with it, -1 without one.
func quoted(text string, quote byte) (string, int) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == quote:
			return b.String(), i + 1
		case text[i] == '\\' && quote == '"' && i+1 < len(text) && text[i+1] == '"':
			i++
		}
		b.WriteByte(text[i])
	}
	return "", -1
}
