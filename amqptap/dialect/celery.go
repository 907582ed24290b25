package dialect

import (
	"strconv"
	"strings"
	"time"

	"github.com/calltap/calltap/spanbuilder"
)

// celery reads Celery's tasks (https://docs.celeryq.dev/en/stable/internals/protocol.html) and the results that its rpc:// backend
// sends back:
//
//	version 2   headers task, id, lang, root_id, parent_id, retries, ignore_result, …; body [args, kwargs, embed]
//	version 1   no headers; body {"task": …, "id": …, "args": …, "taskset": …, …}
//	result      default exchange; body {"status": …, "result": …, "task_id": …, …}
//
// correlation_id is the task's id in all three. Whether a sender gets a result cannot be told from its task: reply_to is
// always there, also with a backend that is no broker, or with none.
type celery struct {
	shared
	bodyText
	id []byte // of a retry

	// What the current body says.
	task, taskID, eta, status, class string
	retries                          int64
}

// Name implements Dialect.
func (c *celery) Name() string { return "celery" }

// Decode implements Dialect.
func (c *celery) Decode(r *Record, m *spanbuilder.Message) Verdict {
	p := &r.Properties
	switch {
	case r.Exchange != "" && isCeleryControl(r.Exchange):
		return Ignored
	case p.CorrelationID == "":
		return NotMine
	case p.Headers != nil:
		if task := p.Headers.Header("task"); task != "" && p.Headers.Header("id") == p.CorrelationID {
			return c.version2(r, m, task)
		}
	}
	if len(r.Body) > c.limits.MaxBody || !isJSON(p.ContentType) {
		return NotMine
	}
	switch celeryMemberOf(firstMember(r.Body)) {
	case ofTask:
		return c.version1(r, m)
	case ofResult:
		return c.result(r, m)
	}
	return NotMine
}

// isCeleryControl knows what the workers tell each other and their monitors: heartbeats and the like about tasks (celeryev), and
// remote control (EXCHANGE.pidbox and reply.EXCHANGE.pidbox).
func isCeleryControl(exchange string) bool {
	return exchange == "celeryev" || strings.HasSuffix(exchange, ".pidbox")
}

func (c *celery) version2(r *Record, m *spanbuilder.Message, task string) Verdict {
	if len(task) > maxField {
		return BadField
	}
	h := r.Properties.Headers
	retries, _ := h.Int("retries")
	silent, _ := h.Int("ignore_result")
	c.request(r, m, task, h.Header("eta"), retries, silent != 0)
	m.Root = h.Header("root_id")
	if parent := h.Header("parent_id"); parent != "" {
		m.Parent = spanbuilder.IdentOf("celery", parent)
		m.ReplyElsewhere = true
	}
	return Decoded
}

// request fills in what a task of either version tells. A retry is sent by the worker itself out of the first attempt and under its id; it
// is below that as a one-way message, since the one result that will come answers the first.
func (c *celery) request(r *Record, m *spanbuilder.Message, task, eta string, retries int64, silent bool) {
	p := &r.Properties
	m.Form, m.ID, m.ReplyTo, m.MayNotReply = spanbuilder.FormCall, p.CorrelationID, p.ReplyTo, true
	m.Method, m.Topic = task, r.RoutingKey
	if m.Topic == "" {
		m.Topic = r.Exchange
	}
	m.NotBefore = instant(eta)
	m.Work = spanbuilder.IdentOf("celery", p.CorrelationID)
	if retries > 0 {
		c.id = strconv.AppendInt(append(append(c.id[:0], p.CorrelationID...), '+'), retries, 10)
		m.ID, m.Parent = view(c.id), m.Work
	}
	if retries > 0 || silent || p.ReplyTo == "" {
		m.Form, m.ReplyTo, m.MayNotReply = spanbuilder.FormCast, "", false
	}
}

func (c *celery) version1(r *Record, m *spanbuilder.Message) Verdict {
	if f := c.read(r.Body); f != faultNone || c.task == "" || c.taskID != r.Properties.CorrelationID {
		return NotMine
	}
	c.request(r, m, c.task, c.eta, c.retries, false)
	return Decoded
}

// result is the last of a task if its status is one of the three that Celery calls ready; else the task goes on: STARTED,
// RETRY, or a status of the task's own such as PROGRESS.
func (c *celery) result(r *Record, m *spanbuilder.Message) Verdict {
	p := &r.Properties
	if r.Exchange != "" || p.ReplyTo != "" {
		return NotMine
	}
	if f := c.read(r.Body); f != faultNone || c.status == "" || c.taskID != p.CorrelationID {
		return NotMine
	}
	m.Form, m.ID, m.ReplyTo = spanbuilder.FormReply, p.CorrelationID, r.RoutingKey
	switch c.status {
	case "SUCCESS":
	case "FAILURE", "REVOKED":
		if m.Error = c.class; m.Error == "" {
			m.Error = c.status
		}
	default:
		m.Form = spanbuilder.FormHeartbeat
	}
	return Decoded
}

// read reads the members of a task of version 1 or of a result. Arguments, results, messages and tracebacks are walked over.
func (c *celery) read(body []byte) fault {
	c.reset()
	c.task, c.taskID, c.eta, c.status, c.class, c.retries = "", "", "", "", "", 0
	s := scanner{b: body}
	for more := s.open(); more; more = s.fault == faultNone {
		name, ok := s.key()
		if !ok {
			break
		}
		switch c.name(name) {
		case "task":
			c.task = c.text(&s)
		case "id", "task_id":
			c.taskID = c.text(&s)
		case "eta":
			c.eta = c.text(&s)
		case "status":
			c.status = c.text(&s)
		case "result":
			c.class = c.textIn(&s, "exc_type")
		case "retries":
			c.retries = 0
			if k, v, ok := s.value(); ok && k == kindLiteral {
				c.retries, _ = strconv.ParseInt(view(v), 10, 32)
			}
		default:
			s.value()
		}
	}
	return s.fault
}

// instant is a time as Celery writes it, ISO 8601 with an offset, as Unix microseconds; 0 if it is none. A worker gets
// such a task at once and keeps it until then.
func instant(iso string) int64 {
	if len(iso) < len("2006-01-02T15:04:05Z") || len(iso) > len(time.RFC3339Nano) {
		return 0
	}
	t, err := time.ParseInLocation(time.RFC3339Nano, iso, time.UTC)
	if err != nil {
		return 0
	}
	return t.UnixMicro()
}

// celeryMember says which of Celery's bodies has a member.
type celeryMember uint8

const (
	ofNone celeryMember = iota
	ofTask
	ofResult
)

// celeryMemberOf takes the name of a body's first member, which may be any: older Pythons wrote them in no order.
func celeryMemberOf(name []byte) celeryMember {
	switch string(name) {
	case "task", "id", "args", "kwargs", "group", "group_index", "retries", "eta", "expires", "utc", "callbacks", "errbacks", "timelimit", "taskset", "chord":
		return ofTask
	case "status", "result", "traceback", "children", "date_done", "task_id", "parent_id", "group_id":
		return ofResult
	}
	return ofNone
}
