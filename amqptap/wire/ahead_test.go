package wire

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// countedReads is a connection on which all of a stream has come.
type countedReads struct {
	net.Conn
	stream *bytes.Reader
	reads  int
}

func (c *countedReads) Read(p []byte) (int, error) {
	c.reads++
	return c.stream.Read(p)
}

func (c *countedReads) SetReadDeadline(time.Time) error { return nil }

func TestMessagesThatHaveComeAreNotASystemCallEach(t *testing.T) {
	sent := bytes.Repeat([]byte("0123456789abcdef"), 4*readAhead/16)
	below := &countedReads{stream: bytes.NewReader(sent)}
	s := NewSocket(below, nil)
	got, err := io.ReadAll(NewAhead(s, s)) // which asks for little at first, as the library does
	require.NoError(t, err)
	require.Equal(t, sent, got)
	require.LessOrEqual(t, below.reads, 4*2+1)
}

// The library would set it after each frame, by way of another goroutine.
func TestTheLibraryIsShownNoReadDeadline(t *testing.T) {
	var conn any = new(Ahead)
	_, has := conn.(interface{ SetReadDeadline(time.Time) error })
	require.False(t, has)
	_, has = conn.(interface{ SetDeadline(time.Time) error })
	require.True(t, has, "nobody would lift that of the handshake")
}

func TestADeadBrokerIsNoticedBeneathTheLibraryToo(t *testing.T) {
	s, _ := pair(t)
	s.Expect(40 * time.Millisecond)
	_, err := NewAhead(s, s).Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.ErrorContains(t, err, "nothing came from the broker for")
}

func TestADeadlineForAllEndsAReadAhead(t *testing.T) {
	s, _ := pair(t)
	a := NewAhead(s, s)
	failed := make(chan error)
	go func() {
		_, err := a.Read(make([]byte, 1))
		failed <- err
	}()
	require.NoError(t, a.SetDeadline(time.Now()))
	require.ErrorIs(t, <-failed, os.ErrDeadlineExceeded)
	require.NoError(t, a.SetDeadline(time.Time{}))
	go func() {
		_, err := a.Read(make([]byte, 1))
		failed <- err
	}()
	require.NoError(t, a.Close())
	require.True(t, errors.Is(<-failed, io.ErrClosedPipe))
}
