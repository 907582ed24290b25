package spanbuilder

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func newProcesses(limit int) (*processes, *counters) {
	c := &counters{}
	s := &processes{}
	s.init(limit, c)
	return s, c
}

func TestWhoIsWho(t *testing.T) {
	s, _ := newProcesses(100)
	out, in := s.connection("out", t0), s.connection("in", t0)
	mine, other := s.replyQueue("/", "reply_mine", t0), s.replyQueue("/", "reply_other", t0)
	require.Equal(t, possible, s.relation(out, in))
	s.join(out, mine, t0)
	s.join(in, mine, t0)
	require.Equal(t, same, s.relation(out, in))
	require.Equal(t, different, s.relation(out, other), "a reply queue has one owner")
	require.Equal(t, possible, s.relation(out, s.connection("stranger", t0)))
	require.Equal(t, possible, s.relation(processRef{}, out))
	require.NotEqual(t, s.replyQueue("/", "r", t0), s.replyQueue("/b", "r", t0), "queues are a vhost's own")
	s.serves(in, "compute")
	require.Equal(t, "compute", s.label(out))
	s.serves(out, "later")
	require.Equal(t, "compute", s.label(out))
	require.False(t, s.connection("", t0).known())
}

// The broker names connections by port, and a port is soon another process's.
func TestAConnectionNameThatChangesHands(t *testing.T) {
	s, count := newProcesses(100)
	conn := s.join(s.connection("127.0.0.1:5", t0), s.replyQueue("/", "old", t0), t0)
	s.seen(conn, t0)
	later := t0 + 2*recently
	again := s.join(s.connection("127.0.0.1:5", later), s.replyQueue("/", "new", later), later)
	require.EqualValues(t, 1, count.conflicts.Load())
	require.Equal(t, different, s.relation(conn, again))
	require.Equal(t, same, s.relation(again, s.connection("127.0.0.1:5", later)))
	require.Equal(t, same, s.relation(again, s.replyQueue("/", "new", later)))
}

// Some clients make a reply queue for each call, all on one connection.
func TestManyReplyQueuesOfOneConnectionAreOneProcess(t *testing.T) {
	s, count := newProcesses(100)
	for i := range int64(50) {
		conn := s.join(s.connection("c", t0+i), s.replyQueue("/", fmt.Sprint("reply", i), t0+i), t0+i)
		s.seen(conn, t0+i)
	}
	require.Zero(t, count.conflicts.Load())
	require.Equal(t, same, s.relation(s.replyQueue("/", "reply0", t0), s.replyQueue("/", "reply49", t0)))
}

func TestProcessesForgetTheLongestUnseen(t *testing.T) {
	s, count := newProcesses(100)
	hub := s.connection("hub", t0)
	first := s.connection("first", t0)
	for i := range int64(1000) {
		now := t0 + i
		require.Equal(t, hub, s.join(s.connection("hub", now), s.connection(fmt.Sprint(i), now), now))
		require.LessOrEqual(t, len(s.nodes), 100)
		require.LessOrEqual(t, len(s.byKey), 100)
	}
	require.NotZero(t, count.forgotten.Load())
	require.Nil(t, s.find(first), "a reference to a forgotten node is nobody's")
	require.Equal(t, possible, s.relation(first, hub))
	require.Equal(t, same, s.relation(hub, s.connection("999", t0+1000)))
}

func TestTheOnlyWorkOfAProcess(t *testing.T) {
	s, _ := newProcesses(100)
	a, b := s.connection("a", t0), s.connection("b", t0)
	works := make([]*activity, 4)
	for i := range works {
		works[i] = &activity{receiver: []processRef{a, b}[i%2], trace: &trace{}}
		s.startWork(works[i])
	}
	require.Nil(t, s.onlyWork(a))
	s.endWork(works[0])
	require.Same(t, works[2], s.onlyWork(a))
	s.join(a, b, t0)
	require.Nil(t, s.onlyWork(a))
	s.endWork(works[1])
	s.endWork(works[2])
	require.Same(t, works[3], s.onlyWork(a))
	require.Same(t, works[3], s.onlyWork(b))
	s.endWork(works[3])
	s.endWork(works[3])
	require.Nil(t, s.onlyWork(b))
}

// An object that keeps the id of its service's start is saved on a user's behalf; a heartbeat with such an id is not.
func TestAHeartbeatAmidAUsersWorkIsNotAdopted(t *testing.T) {
	const beatID = "req-330d23da-f3ee-4c8c-93f3-8e80db156ec9"
	beat := func(at int64, id string) Message {
		m := call4(id)[0]
		m.Time, m.RequestID, m.UserID, m.ProjectID, m.ReplyTo = at, beatID, "", "", "reply_worker"
		m.Connection = "worker out"
		return m
	}
	asked := call4(callID)
	inner := call4("inner-of-the-users-call")
	for i := range inner {
		inner[i].Time = t0 + 2000 + int64(i)*100
		inner[i].ReplyTo = "reply_worker"
	}
	inner[0].Connection, inner[1].Connection, inner[2].Connection, inner[3].Connection = "worker out", "x", "x", "worker reply"

	whole := []Message{asked[0], asked[1], inner[0], inner[1], inner[2], inner[3], beat(t0+3000, "amid-the-users-work"), asked[2], asked[3]}
	_, stats := observed(t, whole...)
	require.EqualValues(t, 1, stats.Adopted, "its sender was at work for the user up to the moment")

	_, stats = observed(t, append([]Message{beat(t0-10_000_000, "out-of-any-users-work")}, whole...)...)
	require.Zero(t, stats.Adopted, "that id beats on its own too")

	beats := []Message{beat(t0-20_000_000, "first-beat-at-all"), beat(t0-10_000_000, "out-of-any-users-work")}
	_, stats = observed(t, append(beats, whole...)...)
	require.Zero(t, stats.Adopted, "however often")

	task := []Message{beat(t0-30_000, "a-task-begins-then"), beat(t0-10_000, "and-goes-on-a-while")}
	_, stats = observed(t, append(task, whole...)...)
	require.Zero(t, stats.Adopted, "that is a task's, which goes on")

	start := []Message{beat(t0-20_000_000, "the-start-of-a-service"), beat(t0-19_900_000, "which-made-an-object")}
	_, stats = observed(t, append(start, whole...)...)
	require.EqualValues(t, 1, stats.Adopted, "the object is saved on the user's behalf")

	_, stats = observed(t, append(append(start, beat(t0-10_000_000, "and-then-it-beats")), whole...)...)
	require.Zero(t, stats.Adopted, "the start made no object, but the heartbeat")
}
