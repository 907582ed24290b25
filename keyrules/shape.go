package keyrules

// shape says which segments of a path are ids, and which part of it is the API's own. It comes from a
// rule's pattern, which knows, or from the look of the segments.
type shape struct {
	ids   uint32 // bit i: segment i names one thing among many
	first int    // where the API's own path begins: behind the mount point and the version
	words int    // segments from here on are left out of keys: the ** of a pattern
	rest  bool   // there is more than words: a name ends in **
}

// shown is how many segments of a path without a rule make its name and key. Deeper paths are trees
// of files or the work of scanners.
const shown = 10

func (s *shape) isID(i int) bool { return s.ids&(1<<i) != 0 }

// look classes the segments from the given one on by their looks, and keeps what ids says of those
// before.
func (p *path) look(from int, ids uint32) uint32 {
	for i := from; i < p.n; i++ {
		if seg := p.segment(i); isID(seg) && !(i == 0 && isBareVersion(seg)) {
			ids |= 1 << i
		}
	}
	return ids
}

// guess is the shape of a path without a pattern, of which a mount point is already known.
func (p *path) guess(mount int) shape {
	s := shape{ids: p.look(0, 0), first: mount, words: min(p.n, shown), rest: p.n > shown}
	p.skipVersion(&s)
	return s
}

// fit is the shape of a path that a pattern matches. The rest behind a ** is looked at only to find
// the action.
func (p *path) fit(by *pattern) shape {
	s := shape{ids: by.ids, words: len(by.segments), rest: by.rest}
	if by.rest {
		s.ids = p.look(len(by.segments), by.ids)
	}
	p.skipVersion(&s)
	return s
}

// skipVersion moves the API's own path behind a version that it begins with.
//
//	/v2.1/servers  /2.0/users  /api/v4/projects  /volume/v3/17/volumes
func (p *path) skipVersion(s *shape) {
	if seg := p.segment(s.first); isIn(entries, seg) || isVersion(p.segment(s.first+1)) && p.n > s.first+2 {
		s.first++
	}
	if seg := p.segment(s.first); isVersion(seg) || s.first == 0 && isBareVersion(seg) {
		s.first++
	}
}

// entries are words before an API's own path.
var entries = makeSet("api", "apis", "rest")

// isWord reports whether segment i is a word of the API's own path.
func (p *path) isWord(i int, s *shape) bool { return i >= s.first && i < p.n && !s.isID(i) }

// isMember reports whether the path's last segment names one member of a collection.
//
//	servers/17            an id
//	servers/17/meta/NAME  where a member stands, counted from the last id; but 17/archive/files is a collection
//	keypairs/mine         no id, but many things before and not behind
//
// With PUT and DELETE, which seldom mean a whole collection, one thing below a member is one too
// (users/17/avatar), and so is the last of several words without an id.
func (p *path) isMember(method string, s *shape) bool {
	last, own := p.segment(p.n-1), p.n-s.first // own: segments of the API's own path
	changes := method == "PUT" || method == "PATCH" || method == "DELETE"
	back := p.sinceID(s)
	switch {
	case own <= 0:
		return true
	case back == 0 || last == "me" || last == "self":
		return true
	case back > 0 && back%2 == 0:
		return isPlural(p.segment(p.n-2)) || !isPlural(last)
	case back > 0:
		return changes && !isPlural(last)
	case changes:
		return own != 1
	default:
		return own > 1 && isPlural(p.segment(p.n-2)) && !isPlural(last)
	}
}

// sinceID is how many segments stand behind the last id, -1 if there is none.
func (p *path) sinceID(s *shape) int {
	for back := 0; p.n-1-back >= s.first; back++ {
		if s.isID(p.n - 1 - back) {
			return back
		}
	}
	return -1
}

// route appends the words of the path as key segments. The last one is left out if it is what
// gave the action, so that the key is servers.detail.GET and not servers.detail.detail.GET.
func (w *keyWriter) route(p *path, s *shape, method, action string) {
	last := -1
	if n := p.n - 1; n >= 0 && !s.isID(n) {
		if seg := p.segment(n); seg == action || method == "POST" && seg == actionWord {
			last = n
		}
	}
	for i := 0; i < min(p.n, s.words); i++ {
		if !s.isID(i) && i != last {
			w.segment(p.segment(i))
		}
	}
}

// appendName appends the path with its ids as {id}: /v2.1/servers/{id}/action.
func (p *path) appendName(dst []byte, s *shape) []byte {
	for i := 0; i < min(p.n, s.words); i++ {
		dst = append(dst, '/')
		if s.isID(i) {
			dst = append(dst, "{id}"...)
		} else {
			dst = appendText(dst, p.segment(i))
		}
	}
	switch {
	case s.rest:
		dst = append(dst, "/**"...)
	case p.n == 0:
		dst = append(dst, '/')
	}
	return dst
}
