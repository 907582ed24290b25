package keyrules

// maxSegments is how deep paths and patterns are read; what lies deeper counts as "the rest".
const maxSegments = 32

// path is a request path split at its slashes. Empty segments (`//`, a slash at the end) do not
// count. It lives on the stack and points into the call's text.
type path struct {
	text string
	n    int
	deep bool // there is more than maxSegments
	at   [maxSegments]struct{ from, to uint16 }
}

func (p *path) split(text string) {
	p.text, p.n, p.deep = text, 0, false
	from := 0
	for i := 0; i <= len(text); i++ {
		if i < len(text) && text[i] != '/' {
			continue
		}
		if i > from {
			if p.n == maxSegments {
				p.deep = true
				return
			}
			p.at[p.n].from, p.at[p.n].to = uint16(from), uint16(i)
			p.n++
		}
		from = i + 1
	}
}

// segment returns the i-th segment, from 0; "" if there is none.
func (p *path) segment(i int) string {
	if i < 0 || i >= p.n {
		return ""
	}
	at := p.at[i]
	return p.text[at.from:at.to]
}

// endsInAction reports the shape POST …/action, whose action is the first key of the body.
func (p *path) endsInAction() bool {
	return p.n > 0 && !p.deep && p.segment(p.n-1) == actionWord
}

// newPath splits as much of a request path as is read.
func newPath(text string) (p path) {
	p.split(cut(text))
	return p
}
