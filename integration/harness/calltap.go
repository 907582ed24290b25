package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/calltap/calltap/integration/ports"
)

// Build compiles calltap into dir and returns the binary's path.
func Build(dir string, flags ...string) (string, error) {
	bin := filepath.Join(dir, "calltap")
	cmd := exec.Command("go", append(append([]string{"build"}, flags...), "-o", bin, "./cmd/calltap")...)
	cmd.Dir = Root()
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building calltap: %w\n%s", err, out)
	}
	return bin, nil
}

// endAtOnce is for programs built with the race detector, which sleep for a second before they end if nobody says otherwise.
const endAtOnce = "GORACE=atexit_sleep_ms=0"

// Calltap is a running calltap, used as an operator uses it: by its Caddyfile, its command line
// and its two ports.
type Calltap struct {
	*Process
	HTTP  int // port of the site
	Admin int // port of the admin API

	bin    string
	dir    string
	env    []string
	config string
}

// Options is what a Caddyfile of a test may refer to as {$NAME}, beside HTTP_PORT.
type Options map[string]string

// StartCalltap writes the Caddyfile into dir, starts the binary and waits for its admin API. The
// Caddyfile finds its port in {$HTTP_PORT}, and all of options as {$NAME}.
func StartCalltap(bin, dir, caddyfile string, options Options) (*Calltap, error) {
	free, err := ports.Free(2)
	if err != nil {
		return nil, err
	}
	c := &Calltap{HTTP: free[0], Admin: free[1], bin: bin, dir: dir, config: filepath.Join(dir, "Caddyfile")}
	c.env = []string{
		fmt.Sprintf("HTTP_PORT=%d", c.HTTP),
		fmt.Sprintf("CADDY_ADMIN=127.0.0.1:%d", c.Admin), // Caddy's own variable, heeded by each command
		"XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir,
		endAtOnce,
	}
	for name, value := range options {
		c.env = append(c.env, name+"="+value)
	}
	if err := c.Write(caddyfile); err != nil {
		return nil, err
	}
	c.Process, err = Run(Spec{
		Name: "calltap", Path: bin, Dir: dir, Env: c.env,
		Args:  []string{"run", "--config", c.config, "--adapter", "caddyfile"},
		Ready: func(string) bool { return getJSON(c.AdminURL()+"/config/", nil) == nil },
	})
	return c, err
}

// Write replaces the Caddyfile, to be loaded by `calltap reload`.
func (c *Calltap) Write(caddyfile string) error {
	return os.WriteFile(c.config, []byte(caddyfile), 0o600)
}

// AdminURL is the address of the admin API.
func (c *Calltap) AdminURL() string { return fmt.Sprintf("http://127.0.0.1:%d", c.Admin) }

// URL is the address of the site.
func (c *Calltap) URL() string { return fmt.Sprintf("http://127.0.0.1:%d", c.HTTP) }

// Store is Zipkin's read API as calltap's own store serves it.
func (c *Calltap) Store() ZipkinAPI { return ZipkinAPI(c.AdminURL() + "/calltap") }

// Command runs `calltap ARGS…` in the environment of the running one and returns what it printed.
func (c *Calltap) Command(args ...string) (string, error) { return Exec(c.bin, c.dir, c.env, args...) }

// Reload is `calltap reload`.
func (c *Calltap) Reload() error {
	_, err := c.Command("reload", "--config", c.config, "--adapter", "caddyfile")
	return err
}

// Exec runs a command to its end, at most three minutes, and returns its standard output. Its errors hold standard error.
func Exec(bin, dir string, env []string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, endAtOnce}, env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(bin), strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out), err
}

// Books is the part of /calltap/status that must balance at any moment.
type Books struct {
	Accepted int64            `json:"accepted"`
	Emitted  int64            `json:"emitted"`
	Queued   int64            `json:"queued"`
	Dropped  map[string]int64 `json:"dropped"`
}

// Lost is the sum of all drops.
func (b Books) Lost() (n int64) {
	for _, d := range b.Dropped {
		n += d
	}
	return n
}

// Balance fails unless accepted = emitted + queued + Σ dropped.
func (b Books) Balance() error {
	if sum := b.Emitted + b.Queued + b.Lost(); sum != b.Accepted {
		return fmt.Errorf("books do not balance: accepted %d, but emitted + queued + dropped = %d: %+v", b.Accepted, sum, b)
	}
	return nil
}

// Status is what the admin API tells of the running calltap.
type Status struct {
	Pipeline struct {
		Books
		Emitters []struct {
			Name string `json:"name"`
			Books
			LastError string `json:"last_error"`
		} `json:"emitters"`
	} `json:"pipeline"`
	Late struct {
		Kept int64 `json:"kept"`
	} `json:"late"`
	Sources []struct {
		Source string         `json:"source"`
		Status map[string]any `json:"status"`
	} `json:"sources"`
}

// Emitter returns the books of one emitter, zero if there is none of that name.
func (s Status) Emitter(name string) Books {
	for _, e := range s.Pipeline.Emitters {
		if e.Name == name {
			return e.Books
		}
	}
	return Books{}
}

// Status asks the admin API.
func (c *Calltap) Status() (Status, error) {
	var s Status
	return s, getJSON(c.AdminURL()+"/calltap/status", &s)
}
