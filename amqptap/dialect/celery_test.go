package dialect

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/calltap/calltap/spanbuilder"
	"github.com/stretchr/testify/require"
)

// celeryBody is what celery.read finds, by encoding/json.
func celeryBody(body []byte) (c celery, ok bool) {
	all, ok := members(body)
	if !ok {
		return c, false
	}
	c.task, _ = all["task"].(string)
	c.eta, _ = all["eta"].(string)
	c.status, _ = all["status"].(string)
	if result, ok := all["result"].(map[string]any); ok {
		c.class, _ = result["exc_type"].(string)
	}
	if n, ok := all["retries"].(json.Number); ok {
		c.retries, _ = strconv.ParseInt(n.String(), 10, 32)
	}
	c.taskID, _ = all["id"].(string)
	if id, ok := all["task_id"].(string); ok {
		c.taskID = id
	}
	return c, true
}

func TestRecordedMessagesOfCelery(t *testing.T) {
	for of, want := range map[string]map[string]int{
		"single": {
			"celery ignored":             8, // heartbeats of the worker
			"celery call shopq.shop.add": 6, "celery call shopq.shop.fail": 2, "celery cast shopq.shop.log": 2, "celery call shopq.shop.progress": 2,
			"celery reply": 7, "celery reply ValueError": 2, "celery heartbeat": 2, // the last reply goes to a queue that is not there
		},
		"retries": {
			"celery ignored": 2, "celery call shopq.shop.flaky": 2, "celery cast shopq.shop.flaky": 4, "celery heartbeat": 4, "celery reply": 2,
		},
	} {
		require.Equal(t, want, tally(t, readWild(t, "../../integration/testdata/celery/"+of+".jsonl")), of)
	}
}

// Without this a chain would be as many traces as it has tasks.
func TestCeleryTasksNameTheOneThatTheyCameFrom(t *testing.T) {
	for _, of := range []string{"trees", "v1", "retries"} {
		set, works, below := newSet(t), map[spanbuilder.Ident]bool{}, 0
		for i, r := range readWild(t, "../../integration/testdata/celery/"+of+".jsonl") {
			var m spanbuilder.Message
			set.Decode(&r, &m)
			if r.Point == spanbuilder.Published && m.Parent != 0 {
				below++
				require.True(t, works[m.Parent], "%s, record %d names a task that was not seen", of, i)
				require.True(t, m.ReplyElsewhere || m.Form == spanbuilder.FormCast)
			}
			if m.Work != 0 {
				works[m.Work] = true
			}
		}
		require.Greater(t, below, 1, of)
	}
}

func TestCeleryShapes(t *testing.T) {
	const id = "5e5bcc09-b60d-45fc-818e-407044cbaf6a"
	root := spanbuilder.IdentOf("celery", id)
	task := func(with headerAny) headerAny {
		h := headerAny{"task": "proj.add", "id": id, "lang": "py", "root_id": id, "parent_id": nil, "retries": 0.0, "ignore_result": false}
		for k, v := range with {
			h[k] = v
		}
		return h
	}
	for _, c := range []struct {
		name    string
		headers headerAny
		replyTo string
		want    spanbuilder.Message
	}{
		{"call", task(nil), "q", spanbuilder.Message{Form: spanbuilder.FormCall, ID: id, ReplyTo: "q", MayNotReply: true, Root: id}},
		{"child", task(headerAny{"parent_id": "other"}), "q", spanbuilder.Message{Form: spanbuilder.FormCall, ID: id, ReplyTo: "q",
			MayNotReply: true, Root: id, Parent: spanbuilder.IdentOf("celery", "other"), ReplyElsewhere: true}},
		{"nobody wants the result", task(headerAny{"ignore_result": true}), "q", spanbuilder.Message{Form: spanbuilder.FormCast, ID: id, Root: id}},
		{"no address for a result", task(nil), "", spanbuilder.Message{Form: spanbuilder.FormCast, ID: id, Root: id}},
		{"second attempt", task(headerAny{"retries": 1.0, "parent_id": id}), "q", spanbuilder.Message{Form: spanbuilder.FormCast, ID: id + "+1", Root: id,
			Parent: root, ReplyElsewhere: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var m spanbuilder.Message
			r := Record{RoutingKey: "celery", Properties: Properties{ReplyTo: c.replyTo, CorrelationID: id, Headers: c.headers, ContentType: "application/x-python-serialize"}, Body: []byte("\x80\x04.")}
			newSet(t).Decode(&r, &m)
			want := c.want
			want.Dialect, want.RoutingKey, want.Topic, want.Method, want.Work, want.Size = "celery", "celery", "celery", "proj.add", root, 3
			require.Equal(t, want, m)
		})
	}
}

func TestCeleryCountdownsAreTold(t *testing.T) {
	for eta, want := range map[string]int64{
		"2026-11-20T21:19:12.778664+00:00": 1795209552778664,
		"2026-11-20T21:19:12+00:00":        1795209552000000,
		"2026-11-20T23:19:12.5+02:00":      1795209552500000,
		"2026-11-20T21:19:12Z":             1795209552000000,
		"2026-11-20":                       0,
		"soon":                             0,
		strings.Repeat("2", 1<<20):         0,
	} {
		require.Equal(t, want, instant(eta), "%.40s", eta)
	}
	delayed := 0
	for _, of := range []string{"single", "retries", "v1"} {
		set := newSet(t)
		for _, r := range readWild(t, "../../integration/testdata/celery/"+of+".jsonl") {
			var m spanbuilder.Message
			set.Decode(&r, &m)
			if m.NotBefore != 0 {
				delayed++
			}
		}
	}
	require.Equal(t, 10, delayed, "a countdown, two retries, and two of version 2 after one of version 1, each seen twice")
}

func TestCeleryTasksWithOverlongNamesAreCounted(t *testing.T) {
	var m spanbuilder.Message
	name, v := newSet(t).Decode(&Record{Properties: Properties{CorrelationID: "7", Headers: headerAny{"task": strings.Repeat("x", maxField+1), "id": "7"}}}, &m)
	require.Equal(t, "celery bad_field", name+" "+v.String())
}

func TestCeleryResults(t *testing.T) {
	const id = "5e5bcc09-b60d-45fc-818e-407044cbaf6a"
	for body, want := range map[string]string{
		`{"status": "SUCCESS", "result": {"exc_type": "not an error"}, "task_id": "` + id + `"}`:                           "reply ",
		`{"task_id": "` + id + `", "status": "FAILURE", "result": {"exc_message": ["canary"], "exc_type": "Ka\u0062oom"}}`: "reply Kaboom",
		`{"status": "FAILURE", "result": "canary", "traceback": "canary", "task_id": "` + id + `"}`:                        "reply FAILURE",
		`{"status": "REVOKED", "result": {"exc_type": "TaskRevokedError"}, "task_id": "` + id + `"}`:                       "reply TaskRevokedError",
		`{"status": "RETRY", "result": {"exc_type": "OSError"}, "task_id": "` + id + `"}`:                                  "heartbeat ",
		`{"status": "STARTED", "result": {"pid": 1}, "task_id": "` + id + `"}`:                                             "heartbeat ",
		`{"status": "SUCCESS", "result": 1, "task_id": "another"}`:                                                         "plain",
		`{"status": "ok", "result": 1}`:                              "plain",
		`{"status": "SUCCESS", "result": 1, "task_id": "` + id + `"`: "plain",
		`{"status": "SUCCESS", "result": ` + strings.Repeat("[", 99) + strings.Repeat("]", 99) + `, "task_id": "` + id + `"}`: "plain",
	} {
		var m spanbuilder.Message
		name, v := newSet(t).Decode(&Record{RoutingKey: "2c71d5ed-63f0-3ca8-a3f1-0a8ea9a1b2c3", Properties: Properties{CorrelationID: id, ContentType: "application/json"}, Body: []byte(body)}, &m)
		require.Equal(t, Decoded, v)
		if want == "plain" {
			require.Equal(t, want, name, body)
			continue
		}
		require.Equal(t, "celery", name, body)
		require.Equal(t, want, [...]string{"reply ", "heartbeat "}[m.Form-spanbuilder.FormReply]+m.Error)
		require.Equal(t, id, m.ID)
	}
}

func TestCeleryVersion1InAnyOrder(t *testing.T) {
	for _, body := range []string{
		`{"task": "proj.add", "id": "7", "args": [2, {"task": "no", "id": "no"}], "kwargs": {"id": "no"}, "retries": 0}`,
		`{"expires": null, "utc": true, "args": [], "chord": null, "id": "7", "retries": 0, "task": "proj.add", "taskset": null}`,
	} {
		var m spanbuilder.Message
		newSet(t).Decode(&Record{RoutingKey: "celery", Properties: Properties{ReplyTo: "q", CorrelationID: "7"}, Body: []byte(body)}, &m)
		require.Equal(t, "celery", m.Dialect)
		require.Equal(t, "proj.add", m.Method)
		require.Equal(t, spanbuilder.IdentOf("celery", "7"), m.Work)
		require.True(t, m.MayNotReply)
	}
	for _, body := range []string{`{"task": "clean the house", "id": 7}`, `{"id": "7", "name": "x"}`, `{"task": "x", "id": "8"}`, `{"task": "x", "id": "7"`} {
		var m spanbuilder.Message
		newSet(t).Decode(&Record{RoutingKey: "chores", Properties: Properties{ReplyTo: "q", CorrelationID: "7"}, Body: []byte(body)}, &m)
		require.Equal(t, "plain", m.Dialect, body)
	}
}

func TestCeleryWorkersTalkAmongThemselvesIsNotTraced(t *testing.T) {
	for _, exchange := range []string{"celeryev", "celery.pidbox", "reply.celery.pidbox"} {
		var m spanbuilder.Message
		name, v := newSet(t).Decode(&Record{Exchange: exchange, Body: []byte(`{"method": "ping", "ticket": "x"}`)}, &m)
		require.Equal(t, "celery ignored", name+" "+v.String())
	}
}

func FuzzCelery(f *testing.F) {
	for _, r := range recorded(f, "celery") {
		f.Add(r.Body, r.Properties.CorrelationID, "", "0")
	}
	f.Add([]byte(`{"retries":1,"retries":"2","task":"\u0061","id":"x","result":{"exc_type":null}}`), "x", "t", "x")
	f.Fuzz(func(t *testing.T, body []byte, id, task, taskID string) {
		set := newSet(t)
		var m spanbuilder.Message
		for _, h := range []Headers{nil, headerAny{"task": task, "id": taskID, "retries": 1.0, "parent_id": id}} {
			if name, v := set.Decode(&Record{Body: body, Properties: Properties{CorrelationID: id, Headers: h}}, &m); name == "celery" && v == Decoded {
				require.NotEmpty(t, m.ID)
			}
		}
		var c celery
		fault := c.read(body)
		want, ok := celeryBody(body)
		if !ok || overLimits(body) || strings.Contains(string(body), `"id`) && strings.Contains(string(body), `task_id`) {
			return // of the two, the later wins, and maps have no order
		}
		require.Equal(t, faultNone, fault)
		require.Equal(t, []any{want.task, want.taskID, want.eta, want.status, want.class, want.retries}, []any{c.task, c.taskID, c.eta, c.status, c.class, c.retries})
	})
}
