package twins

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// patience is how long one side waits for the other. It only ends in failures.
var patience = 10 * time.Second

// tokenHeader tells the answering side which exchange a request belongs to.
const tokenHeader = "X-Twin"

// exchange is one shape sent to one side. It is where client and script meet.
type exchange struct {
	shape *shape
	token string

	mu       sync.Mutex
	news     chan struct{} // closed when anything below changes
	got      []byte        // what the client has of the response's body
	answered bool          // the client has all that it will get
	read     int           // what the script has read of the request's body
	entered  int           // how often the script was begun
	open     int           // of these, how many have not ended
	seen     []string      // of each script, in the order in which they began
	raw      []http.Header // the headers that the script saw
}

var exchanges sync.Map // token → *exchange

func newExchange(s *shape, side string) *exchange {
	x := &exchange{shape: s, token: fmt.Sprintf("%d.%s", s.n, side), news: make(chan struct{})}
	exchanges.Store(x.token, x)
	return x
}

func exchangeOf(r *http.Request) *exchange {
	x, _ := exchanges.Load(r.Header.Get(tokenHeader))
	found, _ := x.(*exchange)
	return found
}

// change does what it is told with the lock held, and wakes who waits.
func (x *exchange) change(what func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	what()
	close(x.news)
	x.news = make(chan struct{})
}

// until waits for a condition and reports whether it came true.
func (x *exchange) until(holds func() bool) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		x.mu.Lock()
		ok, news := holds(), x.news
		x.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-news:
		case <-timer.C:
			return false
		}
	}
}

// note takes what the client has received.
func (x *exchange) note(p []byte) { x.change(func() { x.got = append(x.got, p...) }) }

// arrived waits until the client has marker.
func (x *exchange) arrived(marker string) bool {
	return x.until(func() bool { return bytes.Contains(x.got, []byte(marker)) })
}

// begun reports whether a script has been.
func (x *exchange) begun() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.entered > 0
}

// waitEntered waits for the script to begin, or for an answer without it.
func (x *exchange) waitEntered() {
	x.until(func() bool { return x.entered > 0 || x.answered })
}

// waitRead waits until n bytes of the body were read, and reports whether there is somebody to read more.
func (x *exchange) waitRead(n int) (more bool) {
	x.until(func() bool {
		over := x.answered || x.entered > 0 && x.open == 0
		more = !over
		return over || x.read >= n
	})
	return more
}

// waitTurn waits until n lines were answered, and reports whether there is somebody to answer more.
func (x *exchange) waitTurn(n int) (more bool) {
	x.until(func() bool {
		more = !x.answered
		return x.answered || bytes.Count(x.got, []byte("echo ")) >= n
	})
	return more
}

func (x *exchange) done() { x.change(func() { x.answered = true }) }

// headers are those that the scripts saw.
func (x *exchange) headers() []http.Header {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.raw)
}

// end waits for the scripts and returns what they saw.
func (x *exchange) end() string {
	if !x.until(func() bool { return x.open == 0 }) {
		return "the script did not end"
	}
	exchanges.Delete(x.token)
	x.mu.Lock()
	defer x.mu.Unlock()
	seen := x.seen
	if x.shape.quirk != pipelines && !x.shape.repeats() {
		seen = slices.Compact(seen) // a proxy's transport asks again when a connection that it had kept breaks
	}
	return strings.Join(seen, "\n---\n")
}
