package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// client is a user of the cloud, its administrator. It waits for each answer at most as long as a call may take.
type client struct {
	c     *cloud
	token string
	image string
	http  http.Client
}

// answer is what an API said.
type answer struct {
	status int
	header http.Header
	body   []byte
	took   time.Duration
}

// newClient asks keystone for a token.
func newClient(c *cloud) (*client, error) {
	cl := &client{c: c}
	cl.http.Timeout = 2 * time.Minute
	// Connections are not kept, lest the detour cut one that a request is about to use.
	cl.http.Transport = &http.Transport{DisableKeepAlives: true}
	login := `{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "admin", "domain": {"id": "default"},
		"password": "` + password + `"}}}, "scope": {"project": {"name": "admin", "domain": {"id": "default"}}}}}`
	a, err := cl.do("keystone", "POST", "/v3/auth/tokens", "", login)
	if err != nil {
		return nil, err
	}
	cl.token = a.header.Get("X-Subject-Token")
	return cl, nil
}

// do sends a request to a service at its place in the catalog. requestID may be empty. What the API refuses is an
// error, and the answer is returned with it.
func (cl *client) do(service, method, path, requestID, body string) (*answer, error) {
	req, err := http.NewRequest(method, cl.c.apis[service].URL()+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Auth-Token", cl.token)
	req.Header.Set("OpenStack-API-Version", "compute 2.90")
	req.Header.Set("Content-Type", "application/json")
	if strings.HasSuffix(path, "/file") {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	if requestID != "" {
		req.Header.Set("X-OpenStack-Request-ID", requestID)
	}
	began := time.Now()
	resp, err := cl.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	a := &answer{status: resp.StatusCode, header: resp.Header}
	a.body, err = io.ReadAll(resp.Body)
	a.took = time.Since(began)
	if err == nil && a.status >= 400 {
		err = fmt.Errorf("%s %s: %s: %.300s", method, path, resp.Status, a.body)
	}
	return a, err
}

// post sends an object and reads the answer into another, which may be nil.
func (cl *client) post(service, path string, object, into any) error {
	body, err := json.Marshal(object)
	if err != nil {
		return err
	}
	a, err := cl.do(service, "POST", path, "", string(body))
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(a.body, into)
}

func (cl *client) get(service, path string, into any) error {
	a, err := cl.do(service, "GET", path, "", "")
	if err != nil {
		return err
	}
	return json.Unmarshal(a.body, into)
}

// newRequestID makes what OpenStack's clients send as X-OpenStack-Request-ID.
func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("req-%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Flavors of the cloud: one that each host has room for, one that none has.
const (
	tiny     = "1"
	hugeDisk = "99"
)

// boot asks for a server and returns what nova answered at once. If host is empty the scheduler chooses one.
func (cl *client) boot(name, flavor, host, requestID string) (server string, a *answer, err error) {
	wish := map[string]string{"name": name, "imageRef": cl.image, "flavorRef": flavor, "networks": "none"}
	if host != "" {
		wish["host"] = host
	}
	body, err := json.Marshal(map[string]any{"server": wish})
	if err != nil {
		return "", nil, err
	}
	a, err = cl.do("nova-api", "POST", "/v2.1/servers", requestID, string(body))
	if err != nil {
		return "", a, err
	}
	var made struct{ Server struct{ ID string } }
	return made.Server.ID, a, errors.Join(json.Unmarshal(a.body, &made), nonEmpty(&made.Server.ID))
}

func nonEmpty(id *string) error {
	if *id == "" {
		return errors.New("the answer has no id")
	}
	return nil
}

// state of a server that nova shows.
type state struct {
	Status string
	Host   string `json:"OS-EXT-SRV-ATTR:host"`
	Task   string `json:"OS-EXT-STS:task_state"`
}

func (cl *client) server(id string) (s state, err error) {
	var shown struct{ Server *state }
	shown.Server = &s
	return s, cl.get("nova-api", "/v2.1/servers/"+id, &shown)
}

// awaitStatus polls until a server has the status and nothing is under way with it.
func (cl *client) awaitStatus(id, status string, every time.Duration) (state, error) {
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(every) {
		s, err := cl.server(id)
		if err != nil || s.Status == status && s.Task == "" {
			return s, err
		}
		if time.Now().After(deadline) || s.Status == "ERROR" {
			return s, fmt.Errorf("server %s is %s, not %s", id, s.Status, status)
		}
	}
}

// event is one step of an action, by nova's own account.
type event struct {
	Event  string
	Start  string `json:"start_time"`
	Finish string `json:"finish_time"`
	Result string
}

// novaTime is the layout of nova's times, which are UTC.
const novaTime = "2006-01-02T15:04:05.000000"

// length of the step; an error if it is not over.
func (e event) length() (time.Duration, error) {
	start, err := time.Parse(novaTime, e.Start)
	if err != nil {
		return 0, err
	}
	finish, err := time.Parse(novaTime, e.Finish)
	return finish.Sub(start), err
}

// buildEvent returns nova's record of the build that a boot ended with, once it is complete.
func (cl *client) buildEvent(server, computeRequestID string) (event, error) {
	var shown struct {
		InstanceAction struct{ Events []event }
	}
	if err := cl.get("nova-api", "/v2.1/servers/"+server+"/os-instance-actions/"+computeRequestID, &shown); err != nil {
		return event{}, err
	}
	for _, e := range shown.InstanceAction.Events {
		if e.Event == "compute__do_build_and_run_instance" && e.Finish != "" {
			return e, nil
		}
	}
	return event{}, errors.New("nova does not tell when the build ended")
}

// allUp fails while one of nova's four services is missing or has not shown a sign of life.
func (cl *client) allUp() error {
	var shown struct {
		Services []struct{ Binary, Host, State string }
	}
	if err := cl.get("nova-api", "/v2.1/os-services", &shown); err != nil {
		return err
	}
	up := 0
	for _, s := range shown.Services {
		if s.State == "up" {
			up++
		}
	}
	if up < 2+len(computes) {
		return fmt.Errorf("%d services are up: %v", up, shown.Services)
	}
	return nil
}

// fakeImage is what no hypervisor of ours will ever look into.
var fakeImage = string(bytes.Repeat([]byte("disk"), 256))
