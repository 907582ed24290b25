package control

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// What a Switch does.
const (
	Off    = "off"    // no span, no metric, no header
	Sample = "sample" // this share is recorded; metrics count all
	Only   = "only"   // what matches is recorded, and nothing else; metrics count all
	On     = "on"     // takes back what was said of the same scope; without a scope, everything
)

// Switch is one change.
type Switch struct {
	Do    string    `json:"do"`              // off, sample, only; on is never kept
	Share float64   `json:"share,omitempty"` // of sample: 0 to 1
	Match string    `json:"match,omitempty"` // of only: METHOD PATH, each may have *, which is any text
	Site  string    `json:"site,omitempty"`  // the service that a site or a program is named by; "" is all
	Key   string    `json:"key,omitempty"`   // keys, may have *; "" is all
	Until time.Time `json:"until,omitzero"`  // zero is for good
	Since time.Time `json:"since"`           // set by Table.Set
}

// maxText bounds what an operator may send.
const maxText = 512

// check tells what is wrong with a switch, and what to write.
func (s *Switch) check(now time.Time) error {
	for _, text := range [...]string{s.Match, s.Site, s.Key} {
		if len(text) > maxText {
			return fmt.Errorf("a match, site or key has at most %d bytes", maxText)
		}
	}
	if !s.Until.IsZero() && !s.Until.After(now) {
		return errors.New("the time is over before it begins")
	}
	switch s.Do {
	case On:
		return nil
	case Off:
	case Sample:
		if !(s.Share >= 0 && s.Share <= 1) {
			return fmt.Errorf("sample %v: want a share from 0 to 1", s.Share)
		}
	case Only:
		method, path, ok := strings.Cut(s.Match, " ")
		if !ok || method == "" || !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "*") {
			return fmt.Errorf("only %q: want METHOD PATH, such as 'POST /v2.1/servers*' or '* /v3/*'", s.Match)
		}
		if s.Key != "" {
			return errors.New("only: a key is not known before the request has ended; narrow it by METHOD PATH")
		}
	default:
		return fmt.Errorf("%q: want on, off, sample or only", s.Do)
	}
	if s.Do != Sample && s.Share != 0 || s.Do != Only && s.Match != "" {
		return fmt.Errorf("%s takes neither a share nor a match", s.Do)
	}
	return nil
}

// sameScope reports whether two switches are about the same calls.
func (s *Switch) sameScope(o *Switch) bool { return s.Site == o.Site && s.Key == o.Key }

// glob reports whether text fits a pattern in which * is any text. It takes time of the product of their lengths at worst.
func glob(pattern, text string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == text
	}
	if !strings.HasPrefix(text, head) {
		return false
	}
	text = text[len(head):]
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(text, part)
		}
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text, rest = text[at+len(part):], after
	}
}
