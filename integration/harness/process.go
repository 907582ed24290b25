package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Spec says how to start a program and when it can be used.
type Spec struct {
	Name string // for messages and the log's file name
	Path string
	Args []string
	Env  []string // added to a minimal environment; the caller's own is not inherited
	Dir  string   // working folder, home and place of the log

	// Ready is asked every 20 ms, with what the program printed so far. nil means at once.
	Ready   func(output string) bool
	Timeout time.Duration // for Ready; 0 is three minutes
}

// Process is one running program.
type Process struct {
	Name string

	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when the program has ended
}

// Run starts a program and waits until it is ready. Its errors hold the end of the output.
func Run(s Spec) (*Process, error) {
	p := &Process{Name: s.Name, log: filepath.Join(s.Dir, s.Name+".log"), done: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p.cmd = exec.Command(s.Path, s.Args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = s.Dir, out, out
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.Dir, "LANG=C.UTF-8"}, s.Env...)
	// A group of its own, so that Ctrl-C in a terminal reaches only us; and no life after ours.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", s.Name, err)
	}
	go func() {
		_ = p.cmd.Wait() // the exit code stays in ProcessState
		close(p.done)
	}()
	if err := p.awaitReady(s); err != nil {
		p.Kill()
		return nil, err
	}
	return p, nil
}

func (p *Process) awaitReady(s Spec) error {
	timeout := s.Timeout
	if timeout == 0 {
		timeout = 3 * time.Minute
	}
	deadline := time.Now().Add(timeout)
	for s.Ready != nil && !s.Ready(p.Output()) {
		select {
		case <-p.done:
			return fmt.Errorf("%s ended at once (%s):\n%s", s.Name, p.cmd.ProcessState, tail(p.Output()))
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not ready after %s:\n%s", s.Name, timeout, tail(p.Output()))
		}
	}
	return nil
}

// Pid is the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Output is all that the program printed so far.
func (p *Process) Output() string {
	b, _ := os.ReadFile(p.log)
	return string(b)
}

// Signal sends sig to the program alone.
func (p *Process) Signal(sig syscall.Signal) error { return p.cmd.Process.Signal(sig) }

// ErrStillRunning is returned by Wait for a program that did not end in time.
var ErrStillRunning = errors.New("still running")

// Wait waits for the program to end by itself and returns its exit code.
func (p *Process) Wait(patience time.Duration) (int, error) {
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-time.After(patience):
		return 0, fmt.Errorf("%s after %s: %w", p.Name, patience, ErrStillRunning)
	}
}

// Stop asks the program to end, as an operator would, and kills it after 15 s.
// A program that has already ended may be stopped again.
func (p *Process) Stop() {
	if p == nil {
		return
	}
	_ = p.Signal(syscall.SIGTERM)
	if _, err := p.Wait(15 * time.Second); err != nil {
		p.Kill()
	}
}

// Kill ends the program and whatever it started at once.
func (p *Process) Kill() {
	if p == nil {
		return
	}
	select {
	case <-p.done: // its id may belong to somebody else by now
		return
	default:
	}
	_ = syscall.Kill(-p.Pid(), syscall.SIGKILL)
	<-p.done
}

func tail(s string) string {
	const keep = 6000
	if len(s) > keep {
		s = "…" + s[len(s)-keep:]
	}
	return strings.TrimSpace(s)
}
