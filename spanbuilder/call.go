package spanbuilder

import "github.com/calltap/calltap/span"

// The four points of a call.
const (
	requestPublished = iota
	requestDelivered
	replyPublished
	replyDelivered
)

// call is one RPC that expects a reply, from its first message to its last. It keeps nothing of the messages' buffers. A
// hundred thousand may be open, so that each byte here counts: what few calls need for long is in a sequel.
type call struct {
	key       key
	published int64     // zero: not seen
	work      *activity // the receiver's, which begins when it is delivered; its trace is nil until a part of the request was seen
	after     *sequel   // nil until something followed the request

	label   *label // of the route alone until the rules were asked
	owner   *owner
	request span.TraceID // the request id, zero if it has none

	cause    *activity // the likeliest at publish time, pinned
	parent   span.ID   // see origin
	service  *string
	deadline int64

	timeout      uint32 // ms
	size         int32
	number       uint32
	older, newer uint32 // in its lane, by first message
	place        int32  // in the heap, -1 if not there
	lane         uint16
	requestStamp stamp // of the request's publish
	workStamp    stamp // of its delivery
	flags        callFlags
}

// callFlags are what is true of a call.
type callFlags uint32

const (
	clientOut      callFlags = 1 << iota // the CLIENT span was emitted, or never will be
	serverOut                            // the same of the SERVER span
	timedOut                             //
	gaveUp                               // on points that should have been seen before the reply
	waiting                              // its caller awaits the reply
	direct                               // the reply goes to RabbitMQ's direct reply-to
	used                                 // its id may be used again: the time of its first message sets it apart
	nameless                             // it has no id at all
	guessed                              // which of several without an id its messages are of, is by their order
	exactParent                          // see origin
	guessedTrace                         //
	nobodys                              // its request id is without a user
	mayNotReply                          // its receiver may be set up to send no reply
	replyFirst                           // what was seen first of it was a reply
	deliveredFirst                       // or the request's delivery
	rivalled                             // cause was not the only work that can have sent it
	rooted                               // it came out of what no message began
	certain                              // nothing else than cause can have sent it
)

func (c *call) is(f callFlags) bool { return c.flags&f != 0 }

func (c *call) set(f callFlags, on bool) {
	if on {
		c.flags |= f
	}
}

// sequel is what may follow a request.
type sequel struct {
	times       [2]int64 // of the reply's points; zero: not seen
	fault       string   // class of the remote exception
	redelivered int64    // when the request was, last
	beat        int64    // when the last heartbeat was seen
	beats       int32
	extra       int32 // replies published after the first whose delivery was not seen
	deadAt      int64 // when it was seen again after it was dead-lettered, last
	deadReason  string
	deadQueue   string
	notBefore   int64 // when the receiver was asked to begin, if not at once
	alike       *call // the next without an id and to the same reply address
}

// at returns when a point was seen, zero if it was not.
func (c *call) at(point int) int64 {
	switch {
	case point == requestPublished:
		return c.published
	case point == requestDelivered:
		return c.work.delivered
	case c.after == nil:
		return 0
	}
	return c.after.times[point-replyPublished]
}

func (c *call) seen(point int) bool { return c.at(point) != 0 }

// lastReply is when any of the reply was last seen, zero if none was.
func (c *call) lastReply() int64 { return max(c.at(replyPublished), c.at(replyDelivered)) }

// fault is the class of the exception that the reply brought, if any.
func (c *call) fault() string {
	if c.after == nil {
		return ""
	}
	return c.after.fault
}

// ids is what the span ids are made of.
func (c *call) ids() key {
	if !c.is(used) {
		return c.key
	}
	k := c.key.salted(c.first())
	if c.is(nameless) {
		k = k.salted(int64(c.work.seq)) // two may be of one microsecond
	}
	return k
}

// first is the time of the message that c began with.
func (c *call) first() int64 {
	switch {
	case c.is(replyFirst) && c.seen(replyPublished):
		return c.at(replyPublished)
	case c.is(replyFirst):
		return c.at(replyDelivered)
	case c.is(deliveredFirst):
		return c.work.delivered
	}
	return c.published
}

// begun is when the request was published, or delivered if that was not seen.
func (c *call) begun() int64 {
	if c.published != 0 {
		return c.published
	}
	return c.work.delivered
}

// complete reports whether all but the reply's delivery was seen.
func (c *call) complete() bool {
	return c.seen(requestPublished) && c.seen(requestDelivered) && c.seen(replyPublished)
}

// expires is when the caller gives up.
func (c *call) expires() int64 { return c.begun() + int64(c.timeout)*1000 }

// sending is the publish of c, or its delivery if that is all that was seen.
func (c *call) sending() sending {
	return sending{by: c.work.sender, id: c.ids().id(clientDomain), seq: c.work.seq, at: c.begun()}
}

// origin is what c hangs below if no RPC span turns out to have caused it.
func (c *call) origin() origin {
	o := origin{parent: c.parent, exact: c.is(exactParent), guessed: c.is(guessedTrace)}
	if c.service != nil {
		o.service = *c.service
	}
	return o
}

func (c *call) route() *route { return c.label.route }

// known reports whether any of the request was seen.
func (c *call) known() bool { return c.work.trace != nil }
