package rabbit

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/calltap/calltap/integration/ports"
)

//go:embed guard.sh
var guard string

// How long the node may take. A loaded machine with two cores needs about 10 s to boot it.
const (
	bootTimeout = 5 * time.Minute
	ctlTimeout  = 3 * time.Minute
)

// ErrNotInstalled is returned by Launch where there is no RabbitMQ to start.
var ErrNotInstalled = errors.New("rabbitmq-server is not installed (Debian: apt-get install rabbitmq-server)")

// Node is one private broker. Its methods are not safe for concurrent use.
type Node struct {
	Port int // AMQP, on 127.0.0.1

	http  int // of the management plugin
	epmd  int
	name  string
	dir   string
	bin   string // folder of rabbitmq-server and rabbitmqctl
	env   []string
	conf  string // of rabbitmq.conf, beside the management plugin's port
	guard *exec.Cmd
	stdin io.Closer // closing it ends the node
	done  chan struct{}
	out   *os.File
}

// Launch boots a new node that keeps everything in dir, and returns when it takes connections. It has
// the named plugins, such as rabbitmq_management, whose API Management then tells.
// Its errors hold the end of the broker's output. The caller must call Shutdown.
func Launch(dir string, plugins ...string) (*Node, error) {
	n, err := prepare(dir)
	if err != nil {
		return nil, err
	}
	return n.launch(plugins)
}

// prepare makes a node without starting it.
func prepare(dir string) (*Node, error) {
	bin, err := findServer()
	if err != nil {
		return nil, err
	}
	free, err := ports.Free(4)
	if err != nil {
		return nil, err
	}
	n := &Node{
		Port: free[0],
		http: free[3],
		epmd: free[2],
		name: fmt.Sprintf("calltap-%d@localhost", free[0]),
		dir:  dir,
		bin:  bin,
	}
	n.env = n.environment(free[1])
	for _, sub := range []string{"mnesia", "log"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (n *Node) launch(plugins []string) (*Node, error) {
	if err := n.configure(plugins); err != nil {
		return nil, err
	}
	if err := n.boot(); err != nil {
		n.Shutdown()
		return nil, err
	}
	return n, nil
}

// URL is the node's address with the rights of its default user, guest, on the default vhost.
func (n *Node) URL() string { return n.URLFor("guest", "guest") }

// URLFor is the node's address with another user, who must have been added by Ctl.
func (n *Node) URLFor(user, password string) string {
	u := url.URL{Scheme: "amqp", User: url.UserPassword(user, password), Host: n.addr(), Path: "/"}
	return u.String()
}

// Name is the node's name in its cluster, such as calltap-5672@localhost.
func (n *Node) Name() string { return n.name }

// Management is the base URL of the management API, if the node has that plugin.
func (n *Node) Management() string { return fmt.Sprintf("http://127.0.0.1:%d", n.http) }

// Dir is where the node keeps everything.
func (n *Node) Dir() string { return n.dir }

// Output is all that the broker printed so far, for failure messages.
func (n *Node) Output() string {
	b, _ := os.ReadFile(filepath.Join(n.dir, "log", "stdout"))
	return string(b)
}

// Run executes rabbitmqctl with args against the node and returns what it printed.
func (n *Node) Run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), ctlTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(n.bin, "rabbitmqctl"), append([]string{"-q", "-n", n.name}, args...)...)
	cmd.Env = n.env
	cmd.Dir = n.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("rabbitmqctl %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// Shutdown stops the node as an operator would and waits until nothing of it runs. Its folder,
// users and durable queues stay. A stopped node may be shut down again.
func (n *Node) Shutdown() {
	if n.guard == nil {
		return
	}
	n.stdin.Close()
	n.reap(30 * time.Second)
}

// Crash ends the node as a power cut would: sockets are reset, nothing is flushed.
func (n *Node) Crash() {
	if n.guard == nil {
		return
	}
	n.killGroup()
	n.stdin.Close()
	n.reap(10 * time.Second)
}

// boot starts a node that was shut down or crashed, on the same ports. What the firehose traced
// before must be switched on again: a broker forgets that at a restart.
func (n *Node) boot() error {
	out, err := os.OpenFile(filepath.Join(n.dir, "log", "stdout"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	cmd := exec.Command("/bin/sh", "-c", guard, "guard", filepath.Join(n.bin, "rabbitmq-server"))
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = n.env, n.dir, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	n.stdin, err = cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		out.Close()
		return fmt.Errorf("starting rabbitmq-server: %w", err)
	}
	n.guard, n.out, n.done = cmd, out, make(chan struct{})
	go func(done chan struct{}) {
		_ = cmd.Wait() // always "killed": the guard ends its own group
		close(done)
	}(n.done)
	return n.awaitReady()
}

// awaitReady returns once a client can open a connection; the port alone opens too early.
func (n *Node) awaitReady() error {
	deadline := time.Now().Add(bootTimeout)
	for {
		conn, err := amqp.DialConfig(n.URL(), amqp.Config{Dial: amqp.DefaultDial(5 * time.Second)})
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("rabbitmq-server takes no connections after %s: %w\n%s", bootTimeout, err, tail(n.Output()))
		}
		select {
		case <-n.done:
			return fmt.Errorf("rabbitmq-server ended at once:\n%s", tail(n.Output()))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (n *Node) reap(patience time.Duration) {
	select {
	case <-n.done:
	case <-time.After(patience):
		n.killGroup()
		<-n.done
	}
	n.out.Close()
	n.guard = nil
	n.awaitGone(patience)
}

// awaitGone returns once the port refuses: the kernel takes a moment to bury a killed VM, and until
// then a client could still connect to it.
func (n *Node) awaitGone(patience time.Duration) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", n.addr())
		if err != nil {
			return
		}
		conn.Close()
	}
}

func (n *Node) killGroup() { _ = syscall.Kill(-n.guard.Process.Pid, syscall.SIGKILL) }

func (n *Node) addr() string { return fmt.Sprintf("127.0.0.1:%d", n.Port) }

// configure writes what the node reads beside its environment.
func (n *Node) configure(plugins []string) error {
	files := map[string]string{
		"enabled_plugins": "[" + strings.Join(plugins, ",") + "].\n",
		"rabbitmq.conf":   n.conf,
	}
	if len(plugins) > 0 {
		files["rabbitmq.conf"] += fmt.Sprintf("management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = %d\n", n.http)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(n.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// environment isolates the node: name, cookie (HOME), epmd, ports and folders are its own, and
// every Erlang VM, rabbitmqctl's included, listens on the loopback only.
func (n *Node) environment(dist int) []string {
	path := func(s string) string { return filepath.Join(n.dir, s) }
	return []string{
		"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/usr/bin:/bin",
		"LANG=C.UTF-8",
		"HOME=" + n.dir,
		"RABBITMQ_NODENAME=" + n.name,
		"RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
		fmt.Sprintf("RABBITMQ_NODE_PORT=%d", n.Port),
		fmt.Sprintf("RABBITMQ_DIST_PORT=%d", dist),
		"RABBITMQ_MNESIA_BASE=" + path("mnesia"),
		"RABBITMQ_LOG_BASE=" + path("log"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + path("enabled_plugins"),
		"RABBITMQ_CONFIG_FILE=" + path("rabbitmq"),
		"RABBITMQ_CONF_ENV_FILE=" + path("rabbitmq-env.conf"),
		"RABBITMQ_PID_FILE=" + path("pid"),
		"RABBITMQ_ALLOW_INPUT=1", // exec the VM instead of keeping a shell above it
		"RABBITMQ_SERVER_START_ARGS=-noinput",
		fmt.Sprintf("ERL_EPMD_PORT=%d", n.epmd),
		"ERL_EPMD_ADDRESS=127.0.0.1",
		"ERL_CRASH_DUMP=" + path("erl_crash.dump"),
		// A scheduler without work sleeps, rather than spin for a while: other nodes share the cores.
		"ERL_AFLAGS=-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none",
	}
}

// findServer returns the folder of the broker's own scripts. Debian's wrappers in /usr/sbin come
// last: they change user and folder, which a private node must not.
func findServer() (string, error) {
	for _, dir := range []string{os.Getenv("RABBITMQ_BIN"), "/usr/lib/rabbitmq/bin", "/opt/rabbitmq/sbin"} {
		if dir == "" {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, "rabbitmq-server")); err == nil {
			return dir, nil
		}
	}
	if p, err := exec.LookPath("rabbitmq-server"); err == nil {
		return filepath.Dir(p), nil
	}
	return "", ErrNotInstalled
}

func tail(s string) string {
	const keep = 4000
	if len(s) > keep {
		s = s[len(s)-keep:]
	}
	return strings.TrimSpace(s)
}
