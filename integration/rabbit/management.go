package rabbit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"
)

// Rights are three patterns of names that a user may configure, write and read.
type Rights [3]string

// All lets a user do everything in a vhost; Tap is what docs/rabbitmq.md gives the tap's user for the firehose.
var (
	All = Rights{".*", ".*", ".*"}
	Tap = Rights{`^tap\.`, `^tap\.`, `^(tap\.|amq\.rabbitmq\.trace$)`}
)

// Ask asks the management API, as guest, of a node that has the plugin. What rabbitmqctl can do too is done in a tenth of its
// time and without starting a VM.
func (n *Node) Ask(method, path string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(method, n.Management()+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.SetBasicAuth("guest", "guest")
	resp, err := asker.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %.200s", method, path, resp.Status, text)
	}
	if err == nil && answer != nil {
		err = json.Unmarshal(text, answer)
	}
	return err
}

// asker keeps no connection, so that goleak finds nothing.
var asker = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: ctlTimeout}

// must tries until it succeeds, since a node that has just booted may not have opened its web server yet.
func must(t testing.TB, try func() error) {
	t.Helper()
	for deadline := time.Now().Add(bootTimeout); ; time.Sleep(50 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// AddUser makes a user for the length of a test, with tags such as "monitoring" and without rights.
func (n *Node) AddUser(t testing.TB, name, password, tags string) {
	t.Helper()
	path := "/api/users/" + url.PathEscape(name)
	must(t, func() error {
		return n.Ask(http.MethodPut, path, map[string]string{"password": password, "tags": tags}, nil)
	})
	t.Cleanup(func() { _ = n.Ask(http.MethodDelete, path, nil, nil) }) // of a node that is down it goes with its folder
}

// AddVHost makes a vhost for the length of a test, in which guest may do everything, with its firehose on or off.
func (n *Node) AddVHost(t testing.TB, name string, firehose bool) {
	t.Helper()
	n.SetFirehose(t, name, firehose)
	t.Cleanup(func() {
		switching.Lock() // which it does too
		defer switching.Unlock()
		_ = n.Ask(http.MethodDelete, "/api/vhosts/"+url.PathEscape(name), nil, nil)
	})
	must(t, func() error { return n.startEverywhere(name) })
	n.Allow(t, name, "guest", All)
}

// startEverywhere starts a vhost on the nodes of the cluster that did not when they were told of it. A node refuses connections to one
// that it has not started, and does not try again by itself.
func (n *Node) startEverywhere(vhost string) error {
	path := "/api/vhosts/" + url.PathEscape(vhost)
	var now struct {
		ClusterState map[string]string `json:"cluster_state"`
	}
	if err := n.Ask(http.MethodGet, path, nil, &now); err != nil {
		return err
	}
	for node, state := range now.ClusterState {
		if state != "running" {
			err := n.Ask(http.MethodPost, path+"/start/"+url.PathEscape(node), nil, nil)
			return errors.Join(fmt.Errorf("the vhost %s is %s on %s", vhost, state, node), err)
		}
	}
	return nil
}

// switching is held while a firehose is switched: a node that is told to switch several at a time loses all but one.
var switching sync.Mutex

// SetFirehose switches a vhost's firehose, and makes the vhost if there is none.
func (n *Node) SetFirehose(t testing.TB, vhost string, on bool) {
	t.Helper()
	switching.Lock()
	defer switching.Unlock()
	path := "/api/vhosts/" + url.PathEscape(vhost)
	must(t, func() error {
		if err := n.Ask(http.MethodPut, path, map[string]bool{"tracing": on}, nil); err != nil {
			return err
		}
		var now struct{ Tracing bool }
		err := n.Ask(http.MethodGet, path, nil, &now)
		if err == nil && now.Tracing != on {
			err = fmt.Errorf("the firehose of %s was not switched", vhost)
		}
		return err
	})
}

// Allow gives a user rights in a vhost, in place of those that it had.
func (n *Node) Allow(t testing.TB, vhost, user string, r Rights) {
	t.Helper()
	path := "/api/permissions/" + url.PathEscape(vhost) + "/" + url.PathEscape(user)
	must(t, func() error {
		return n.Ask(http.MethodPut, path, map[string]string{"configure": r[0], "write": r[1], "read": r[2]}, nil)
	})
}
