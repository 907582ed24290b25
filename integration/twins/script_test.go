package twins

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// step is one thing that an answering side does. Those that belong to Caddy's handlers alone do the nearest that an upstream can.
type step struct {
	do   string
	n    int
	text string
	name string
}

// String is the step as a failure shows it.
func (s step) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s %d", s.do, s.name, s.text, s.n))
}

// run plays the script of the exchange that r belongs to. inCaddy is for a handler of Caddy, which may return an error.
func run(w http.ResponseWriter, r *http.Request, inCaddy bool) (err error) {
	x := exchangeOf(r)
	if x == nil {
		http.Error(w, "no such exchange", http.StatusTeapot)
		return nil
	}
	p := &play{w: w, r: r, x: x, rc: http.NewResponseController(w), inCaddy: inCaddy}
	x.change(func() {
		x.entered++
		x.open++
		x.raw = append(x.raw, r.Header.Clone())
		x.seen = append(x.seen, "")
		p.attempt = x.entered
	})
	p.seen = append(p.seen, requestText(r))
	defer func() {
		p.closing()
		x.change(func() { x.open--; x.seen[p.attempt-1] = strings.Join(p.seen, "\n") })
	}()
	for _, s := range x.shape.script {
		if err := p.step(s); err != nil {
			return err
		}
		if p.over {
			break
		}
	}
	return nil
}

type play struct {
	w       http.ResponseWriter
	r       *http.Request
	x       *exchange
	rc      *http.ResponseController
	inCaddy bool
	attempt int  // how often the script was begun by now
	over    bool // what comes in the script is not for this attempt, or the connection has been taken over
	sum     []byte
	seen    []string
}

func (p *play) say(format string, args ...any) { p.seen = append(p.seen, fmt.Sprintf(format, args...)) }

func (p *play) step(s step) error {
	switch s.do {
	case "set":
		p.w.Header()[s.name] = append(p.w.Header()[s.name], s.text)
	case "status":
		p.w.WriteHeader(s.n)
	case "write":
		p.wrote(p.w.Write([]byte(filler(s.text, s.n))))
	case "string":
		p.wrote(io.WriteString(p.w, filler(s.text, s.n)))
	case "from":
		n, err := io.Copy(p.w, strings.NewReader(filler(s.text, s.n)))
		p.wrote(int(n), err)
	case "flush":
		if err := p.rc.Flush(); p.x.shape.quirk != leavesHalf { // who may have left by now
			p.say("flush %s", classOf(err))
		}
	case "asserts":
		_, flusher := p.w.(http.Flusher)
		_, from := p.w.(io.ReaderFrom)
		p.say("flusher %v reader from %v", flusher, from) // Caddy's writers are http.Hijacker or not as there is an access log
	case "deadlines":
		p.say("deadlines %s %s", classOf(p.rc.SetReadDeadline(time.Time{})), classOf(p.rc.SetWriteDeadline(time.Time{})))
	case "duplex":
		p.say("duplex %s", classOf(p.rc.EnableFullDuplex()))
	case "push":
		pusher, ok := p.w.(http.Pusher)
		p.say("push %v", ok && pusher.Push("/pushed", nil) == nil)
	case "gate":
		p.say("arrived before the rest: %v", p.x.arrived(s.text))
	case "read":
		p.read(s.n)
	case "echo":
		p.echo()
	case "gone":
		p.gone()
	case "refuse":
		if p.attempt <= s.n {
			p.over = true
			p.w.Header().Set("X-Refused", "yes")
			p.w.WriteHeader(http.StatusServiceUnavailable)
			p.wrote(p.w.Write([]byte(s.text)))
		}
	case "break":
		if p.attempt <= s.n {
			panic(http.ErrAbortHandler)
		}
	default:
		return p.end(s)
	}
	return nil
}

// end is a step after which there is nothing.
func (p *play) end(s step) error {
	switch s.do {
	case "abort":
		panic(http.ErrAbortHandler)
	case "panic":
		panic("a bug")
	case "error":
		if !p.inCaddy {
			p.w.WriteHeader(s.n)
			return nil
		}
		err := caddyhttp.Error(s.n, errors.New("something"))
		if s.text == "wrapped" {
			return fmt.Errorf("around: %w", err)
		}
		return err
	case "plain error":
		if !p.inCaddy {
			p.w.WriteHeader(http.StatusInternalServerError)
			return nil
		}
		return errors.New("something")
	case "hijack":
		p.hijack(s)
		return nil
	}
	panic("no such step: " + s.do)
}

func (p *play) wrote(n int, err error) {
	if errors.Is(err, http.ErrBodyNotAllowed) || errors.Is(err, http.ErrContentLength) {
		p.say("wrote %d %v", n, err)
	}
}

// read reads n bytes of the body, or all if n is 0.
func (p *play) read(n int) {
	h, total := sha256.New(), 0
	buf := make([]byte, 4096)
	for {
		room := buf
		if n > 0 {
			room = buf[:min(len(buf), n-total)]
		}
		got, err := p.r.Body.Read(room)
		h.Write(room[:got])
		total += got
		p.x.change(func() { p.x.read += got })
		if err != nil || n > 0 && total >= n {
			p.sum = h.Sum(nil)
			p.say("read %d %x %s %v", total, p.sum[:8], classOf(err), headerText(p.r.Trailer, nil))
			return
		}
	}
}

// echo sends each piece back while it reads.
func (p *play) echo() {
	buf := make([]byte, 4096)
	total := 0
	for {
		n, err := p.r.Body.Read(buf)
		p.x.change(func() { p.x.read += n })
		total += n
		if n > 0 {
			p.w.Write(buf[:n])
			p.rc.Flush()
		}
		if err != nil {
			p.say("echoed %d %s", total, classOf(err))
			return
		}
	}
}

func (p *play) gone() {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.r.Context().Done():
		p.say("the client left")
	case <-timer.C:
		p.say("the client stayed")
	}
}

// hijack takes the connection over, says something, and repeats lines until "bye".
func (p *play) hijack(s step) {
	conn, buf, err := p.rc.Hijack()
	p.say("hijack %s", classOf(err))
	if err != nil {
		p.w.WriteHeader(http.StatusNotImplemented)
		return
	}
	p.over = true
	defer conn.Close()
	buf.WriteString(strings.ReplaceAll(s.text, "|", "\r\n"))
	buf.Flush()
	for s.n > 0 {
		line, err := buf.ReadString('\n')
		if err != nil || line == "bye\n" {
			p.say("the connection ended %v %q", p.x.shape.quirk == leavesHalf || err == nil, line) // who leaves resets it, or closes it
			return
		}
		buf.WriteString("echo " + line)
		buf.Flush()
	}
}

// closing notes what the request has become while it was answered.
func (p *play) closing() {
	if len(p.r.Trailer) > 0 {
		p.say("trailers %v", headerText(p.r.Trailer, nil))
	}
}

// filler is n bytes of text, which begin and end with the marker.
func filler(marker string, n int) string {
	if n <= len(marker) {
		return marker
	}
	const line = "the quick brown fox jumps over the lazy dog 0123456789\n"
	body := strings.Repeat(line, n/len(line)+1)
	return body[:n-len(marker)] + marker
}

// classOf is what kind of error it is, without addresses and numbers.
func classOf(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, io.EOF):
		return "EOF"
	case errors.Is(err, http.ErrNotSupported):
		return "not supported"
	case errors.Is(err, http.ErrBodyReadAfterClose):
		return "closed"
	}
	return "error"
}
