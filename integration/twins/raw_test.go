package twins

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"
)

// sendRaw writes the bytes of an HTTP/1 request over a connection of its own and returns every byte that comes back, or what they
// mean where plain Caddy itself cuts them now this way, now that way.
func sendRaw(x *exchange, to *site) string {
	conn, err := dial(to.plain)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(2 * patience)); err != nil {
		return err.Error()
	}
	in := &listener{x: x, conn: conn, continued: make(chan struct{})}
	written := make(chan struct{})
	go func() {
		defer close(written)
		writeRaw(conn, x, in.continued)
	}()
	raw, err := in.all()
	x.done()
	conn.Close()
	<-written
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "nothing came for too long, after " + bodyText(raw)
	}
	return rawText(x.shape, raw, err)
}

func writeRaw(conn *net.TCPConn, x *exchange, continued <-chan struct{}) {
	s := x.shape
	head := rawHead(s, x.token)
	switch s.quirk {
	case pipelines:
		io.WriteString(conn, head+rawBody(s)+strings.Replace(head, "Keep: alive", "Connection: close", 1)+rawBody(s))
		return
	case upgrades:
		io.WriteString(conn, head+"one\n"+strings.Repeat("long", 2000)+"\nbye\n")
		return
	}
	io.WriteString(conn, head)
	if s.body.expect {
		<-continued
	}
	if !s.body.slow {
		io.WriteString(conn, rawBody(s))
		return
	}
	sent := 0
	for i, piece := range s.body.pieces {
		if !x.waitRead(sent) {
			return
		}
		if s.quirk == sendsHalf && i == 2 {
			conn.CloseWrite()
			return
		}
		io.WriteString(conn, framed(s, piece))
		sent += len(piece)
	}
	io.WriteString(conn, rawEnd(s))
}

func rawHead(s *shape, token string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.%d\r\n", s.method, s.target, s.minor)
	if s.minor == 1 {
		b.WriteString("Host: localhost\r\n")
	}
	fmt.Fprintf(&b, "%s: %s\r\n", tokenHeader, token)
	for _, h := range s.header {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	switch {
	case s.quirk == pipelines:
		b.WriteString("Keep: alive\r\n")
	case !s.switches() && s.quirk != upgrades && s.minor == 1:
		b.WriteString("Connection: close\r\n")
	}
	switch {
	case s.body.pieces == nil:
	case s.body.chunked:
		b.WriteString("Transfer-Encoding: chunked\r\n")
		if s.body.trailer != nil {
			b.WriteString("Trailer: X-Req-Sum, X-Req-More\r\n")
		}
	default:
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(s.body.text()))
	}
	if s.body.expect && s.body.pieces != nil {
		b.WriteString("Expect: 100-continue\r\n")
	}
	return b.String() + "\r\n"
}

func framed(s *shape, piece string) string {
	switch {
	case piece == "":
		return ""
	case s.body.chunked:
		return fmt.Sprintf("%x\r\n%s\r\n", len(piece), piece)
	}
	return piece
}

func rawBody(s *shape) string {
	var b strings.Builder
	for _, piece := range s.body.pieces {
		b.WriteString(framed(s, piece))
	}
	return b.String() + rawEnd(s)
}

func rawEnd(s *shape) string {
	if !s.body.chunked {
		return ""
	}
	end := "0\r\n"
	for _, h := range s.body.trailer {
		end += h[0] + ": " + h[1] + "\r\n"
	}
	return end + "\r\n"
}

// listener reads what comes back.
type listener struct {
	x         *exchange
	conn      *net.TCPConn
	continued chan struct{} // closed when the body may be sent, or need not
}

func (l *listener) all() (raw []byte, err error) {
	if l.x.shape.quirk == leavesNow {
		go func() {
			l.x.waitEntered()
			l.conn.Close()
		}()
	}
	buf := make([]byte, 32<<10)
	told := false
	for {
		n, err := l.conn.Read(buf)
		raw = append(raw, buf[:n]...)
		l.x.note(buf[:n])
		if !told && (n > 0 || err != nil) {
			told = true
			close(l.continued)
		}
		if l.x.shape.quirk == leavesHalf && bytes.Contains(raw, []byte("[half]")) {
			return raw, errLeft
		}
		if err != nil && l.x.shape.quirk == leavesNow && len(raw) == 0 {
			return nil, errLeft
		}
		if err == io.EOF {
			return raw, nil
		}
		if err != nil {
			return raw, err
		}
	}
}

var errLeft = errors.New("the client left")

var changingLine = regexp.MustCompile(`(?m)^(Date|Etag|Last-Modified): .*\r\n`)

// rawText is what the comparison looks at: for responses of Caddy's own handlers every byte.
func rawText(s *shape, raw []byte, err error) string {
	switch {
	case err == errLeft:
		raw, _, _ = bytes.Cut(raw, []byte("[half]"))
		if s.quirk == leavesHalf && !s.direct() {
			return meaning(s, raw) // up to where it left
		}
		return string(raw[:min(len(raw), 15)])
	case err != nil && s.gated():
		return "cut off after " + statusLine(raw)
	case err != nil:
		return failed
	}
	if s.direct() && s.route != "encode" {
		text := changingLine.ReplaceAllString(string(raw), "")
		return portText.ReplaceAllString(text, "$1:PORT")
	}
	return meaning(s, raw)
}

func statusLine(raw []byte) string {
	line, _, _ := bytes.Cut(raw, []byte("\r\n"))
	return string(line)
}

// meaning is what a response says, without how it was cut into chunks.
func meaning(s *shape, raw []byte) string {
	in := bufio.NewReader(bytes.NewReader(raw))
	var said strings.Builder
	for {
		resp, err := http.ReadResponse(in, &http.Request{Method: s.method})
		if err != nil {
			fmt.Fprintf(&said, "%s", classOf(err))
			return said.String()
		}
		if resp.StatusCode == http.StatusSwitchingProtocols {
			return changingLine.ReplaceAllString(string(raw), "")
		}
		if resp.StatusCode == http.StatusContinue {
			continue // Caddy's own, the upstream's that it passes on, or both: a race in plain Caddy too
		}
		body, err := io.ReadAll(resp.Body)
		end := classOf(err)
		if err != nil {
			if !s.gated() {
				return failed
			}
			body = nil
		}
		fmt.Fprintln(&said, resp.Status, resp.Proto, resp.Close, bodyText(body), end)
		fmt.Fprintln(&said, headerText(resp.Header, append([]string{"Content-Length"}, changing...)))
		fmt.Fprintln(&said, "trailers", headerText(resp.Trailer, nil))
	}
}
