package amqptap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/calltap/calltap/amqptap/management"
)

// level says what a finding means for the tap.
type level string

// The levels. The worst of all findings is the verdict; unknown and note are as good as ok.
const (
	levelOK      level = "ok"
	levelNote    level = "note"
	levelUnknown level = "unknown" // could not be found out
	levelWarning level = "warning" // it would work, and one should know this
	levelError   level = "error"   // it would not work
)

// finding is one line of a check.
type finding struct {
	Level  level  `json:"level"`
	About  string `json:"about"` // connection, rights, firehose, …
	Text   string `json:"text"`
	Advice string `json:"advice,omitempty"` // what to do, mostly a command line
}

// checked is what a check found out about one source.
type checked struct {
	Broker   string    `json:"broker"` // HOST:PORT/VHOST
	Mode     string    `json:"mode"`   // firehose or mirror
	User     string    `json:"user,omitempty"`
	Verdict  level     `json:"verdict"` // ok, warning or error
	Findings []finding `json:"findings"`
	Queue    string    `json:"queue"`    // as it would be named, but for its last eight digits
	Bindings []Binding `json:"bindings"` // that would be made
}

// checker looks at one broker as the tap would meet it, and changes nothing there: it declares, binds, consumes
// and publishes nothing.
type checker struct {
	*tap
	checked
	server string
	api    *management.Client // nil without management
}

// check finds out all that stands against a tap.
func check(ctx context.Context, t *tap) checked {
	c := &checker{tap: t, checked: checked{Broker: t.broker(), Mode: t.Mode, User: t.URI.Username, Queue: t.queueName(), Bindings: t.bindings()}}
	if c.connection(ctx) {
		for _, note := range versionNotes(c.server) {
			c.add(noteLevel(note), "version", note, "")
		}
		c.rights(ctx)
		c.management(ctx)
		if c.Mode == "mirror" {
			c.mirror(ctx)
		}
	}
	c.Verdict = c.verdict()
	return c.checked
}

func noteLevel(note string) level {
	if note == breaksWarning {
		return levelWarning
	}
	return levelNote
}

func (c *checker) add(l level, about, text, advice string) {
	c.Findings = append(c.Findings, finding{l, about, redact(text, c.URI.Password), redact(advice, c.URI.Password)})
}

// verdict is the worst that was found.
func (c *checker) verdict() level {
	worst := levelOK
	for _, f := range c.Findings {
		switch {
		case f.Level == levelError:
			return levelError
		case f.Level == levelWarning:
			worst = levelWarning
		}
	}
	return worst
}

// connection reports whether there can be one.
func (c *checker) connection(ctx context.Context) bool {
	began := time.Now()
	s, trouble := c.open(ctx)
	if trouble != nil {
		c.add(levelError, "connection", trouble.Error(), trouble.advice)
		return false
	}
	defer s.close()
	c.server = s.server()
	how := "without TLS"
	if c.URI.Scheme == "amqps" {
		how = "with TLS"
	}
	c.add(levelOK, "connection", fmt.Sprintf("RabbitMQ %s, as %s, %s, after %s", c.server, c.user(), how, time.Since(began).Round(time.Millisecond)), "")
	return true
}

// management asks what only the management API tells.
func (c *checker) management(ctx context.Context) {
	api, err := c.newAPI()
	if err != nil {
		c.add(levelError, "management", err.Error(), "")
		return
	}
	if api == nil {
		c.unasked()
		return
	}
	c.api = api
	defer api.Close()
	u, err := api.WhoAmI(ctx)
	if err != nil {
		c.unanswered("management", err, "management")
		c.unasked()
		return
	}
	c.add(levelOK, "management", fmt.Sprintf("%s answers %s, tags: %s", c.api.Base().Host, u.Name, strings.Join(u.Tags, ", ")), "")
	if slices.Contains(u.Tags, "administrator") && !c.Trace {
		c.add(levelNote, "management", "the tag administrator is more than a tap needs, unless it is to switch the firehose (trace on)",
			"rabbitmqctl set_user_tags "+quote(u.Name)+" monitoring")
	}
	c.alarms(ctx)
	c.policies(ctx)
	if c.Mode == "firehose" {
		c.firehose(ctx, u)
	}
}

// unasked tells how to find out by hand what could not be asked.
func (c *checker) unasked() {
	p := "-p " + quote(c.URI.Vhost)
	if c.Mode == "firehose" {
		c.add(levelUnknown, "firehose", "whether it is on cannot be told without the management API", "rabbitmqctl list_vhosts name tracing, on each node")
	}
	c.add(levelUnknown, "policies", "whether one applies to the tap's queue cannot be told without the management API",
		"rabbitmqctl list_policies "+p+"; rabbitmqctl list_operator_policies "+p)
	c.add(levelUnknown, "alarms", "whether the broker is short of memory or disk cannot be told without the management API", "rabbitmq-diagnostics alarms")
}

// unanswered tells of a question that the API did not answer, although the configuration counts on it. Without it the tap cannot
// switch the firehose, and a mirror without consent binds nothing.
func (c *checker) unanswered(about string, err error, tag string) {
	l, advice := levelWarning, "correct the address of management, or start the API: rabbitmq-plugins enable rabbitmq_management"
	if errors.Is(err, management.ErrNotAllowed) {
		if c.Trace {
			tag = "administrator"
		}
		advice = "check the user's password first; then its tag, which replaces those it has: rabbitmqctl set_user_tags " + quote(c.apiUser()) + " " + tag
	}
	if c.Trace && about == "firehose" || about == "mirror" && !c.AcceptChanges {
		l = levelError
	}
	c.add(l, about, err.Error(), advice)
}

func (c *checker) alarms(ctx context.Context) {
	alarms, err := c.api.Alarms(ctx)
	if err != nil {
		c.unanswered("alarms", err, "management")
		return
	}
	for _, a := range alarms {
		c.add(levelWarning, "alarms", fmt.Sprintf("%s is short of %s: the broker blocks all publishers, and the tap would not bind", a.Node, a.Resource), "")
	}
	if len(alarms) == 0 {
		c.add(levelOK, "alarms", "none", "")
	}
}
