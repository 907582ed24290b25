package wire

import (
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pair is a Socket and the other end of its connection.
func pair(t *testing.T) (*Socket, net.Conn) {
	client, broker := net.Pipe()
	t.Cleanup(func() { client.Close(); broker.Close() })
	return NewSocket(client, new(atomic.Int64)), broker
}

func TestADeadBrokerIsNoticedWithinTwoHeartbeats(t *testing.T) {
	const heartbeat = 200 * time.Millisecond
	s, _ := pair(t)
	s.Expect(heartbeat)
	began := time.Now()
	_, err := s.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.ErrorContains(t, err, "nothing came from the broker for 400ms, not even a heartbeat")
	require.GreaterOrEqual(t, time.Since(began), heartbeat*3/2)

	s.Expect(10 * time.Second)
	require.Equal(t, 16*time.Second, s.dead, "a second's grace")
}

// The library sets deadlines after frames that it sees; a connection on which deliveries alone come is not dead.
func TestABusyConnectionIsNotDeadBecauseTheLibrarySeesNothing(t *testing.T) {
	s, broker := pair(t)
	c := New(s, s, Options{})
	s.Expect(100 * time.Millisecond)
	require.NoError(t, c.SetReadDeadline(time.Unix(1, 0)))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for range 20 { // four times as long as a dead broker's silence
			<-tick.C
			_, _ = broker.Write([]byte{1})
		}
		broker.Close()
	}()
	n, err := io.Copy(io.Discard, s)
	<-ended
	require.NoError(t, err)
	require.EqualValues(t, 20, n)
	require.EqualValues(t, 20, s.bytes.Load())
}

func TestADeadlineForAllEndsAReadThatIsGoingOn(t *testing.T) {
	s, _ := pair(t)
	c := New(s, s, Options{})
	s.Expect(time.Minute)
	failed := make(chan error)
	go func() {
		_, err := c.Read(make([]byte, 1))
		failed <- err
	}()
	require.NoError(t, c.SetDeadline(time.Now()))
	err := <-failed
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NotContains(t, err.Error(), "heartbeat", "the deadline was not for silence")
}

func TestCloseFromAnywhereEndsARead(t *testing.T) {
	s, _ := pair(t)
	c := New(s, s, Options{})
	failed := make(chan error)
	go func() {
		_, err := c.Read(make([]byte, 1))
		failed <- err
	}()
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() { c.Close() })
	}
	require.Error(t, <-failed)
	all.Wait()
}

// bursts is a connection whose reads take as long as told and fill as much.
type bursts struct {
	pieces
	reads []struct {
		wait time.Duration
		full bool
	}
}

func (b *bursts) Read(p []byte) (int, error) {
	if len(b.reads) == 0 {
		return 0, io.EOF
	}
	r := b.reads[0]
	b.reads = b.reads[1:]
	for began := time.Now(); time.Since(began) < r.wait; {
	}
	if r.full {
		return len(p), nil
	}
	return 1, nil
}

// What comes next is fresh if the socket was empty before, and not while there is a backlog.
func TestTheClockIsToldWhenNothingWasWaiting(t *testing.T) {
	type read = struct {
		wait time.Duration
		full bool
	}
	for name, c := range map[string]struct {
		reads []read
		fresh []bool // of what each read brought
	}{
		"idle":        {[]read{{time.Millisecond, false}, {time.Millisecond, false}}, []bool{true, true}},
		"backlog":     {[]read{{0, true}, {0, true}, {0, true}}, []bool{false, false, false}},
		"slow copies": {[]read{{time.Millisecond, true}, {time.Millisecond, true}}, []bool{false, false}},
		"worked off":  {[]read{{0, true}, {0, false}, {0, false}}, []bool{false, false, true}},
	} {
		s := NewSocket(&bursts{reads: slices.Clone(c.reads)}, nil)
		told := false
		s.OnCaughtUp(func(now int64) { told = true; require.InDelta(t, time.Now().UnixMicro(), now, 1e6) })
		for i, want := range c.fresh {
			told = false
			_, err := s.Read(make([]byte, 8))
			require.NoError(t, err)
			require.Equal(t, want, told, "%s, read %d", name, i)
		}
	}
}
