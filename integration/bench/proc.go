package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"github.com/calltap/calltap/integration/ports"
)

// process is one subject: a program of its own, so that the CPU and the memory it takes are its own.
//
// Subjects are stopped (SIGSTOP) while another one is measured. What a subject leaves for later,
// such as encoding and sending spans, then runs in its own time and is charged to nobody else.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string // file of its standard error
	done chan struct{}
	in   io.WriteCloser

	workers []int // its children, of those that work in children
}

// start runs a program with the environment of a stranger: no home, no configuration but what is given.
func start(dir, name string, env []string, argv ...string) (*process, error) {
	logName := filepath.Join(dir, name+".log")
	logFile, err := os.Create(logName)
	if err != nil {
		return nil, err
	}
	defer logFile.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir}, env...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, log: logName, done: make(chan struct{}), in: in}
	go func() { _ = cmd.Wait(); close(p.done) }()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// freeze and thaw are for the whole group: nginx works in children.
func (p *process) freeze() { _ = syscall.Kill(-p.pid(), syscall.SIGSTOP) }
func (p *process) thaw()   { _ = syscall.Kill(-p.pid(), syscall.SIGCONT) }

// stop ends the subject kindly, then by force.
func (p *process) stop() {
	if p == nil {
		return
	}
	p.thaw()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(12 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// died gives the end of the subject's log if it is no longer there.
func (p *process) died() error {
	select {
	case <-p.done:
		text := p.output()
		if len(text) > 2000 {
			text = text[len(text)-2000:]
		}
		return fmt.Errorf("%s ended by itself: %s", p.name, text)
	default:
		return nil
	}
}

// output is what the subject has printed.
func (p *process) output() string {
	text, _ := os.ReadFile(p.log)
	return string(text)
}

// cpu is the time that all threads of the subject, past and present, have run. The process clock of
// another process is exact to the nanosecond, where /proc/PID/stat counts in 10 ms.
func (p *process) cpu() time.Duration {
	sum := processCPU(p.pid())
	for _, pid := range p.workers {
		sum += processCPU(pid)
	}
	return sum
}

// processCPU is cpu for a process that this one did not start.
func processCPU(pid int) time.Duration {
	var ts syscall.Timespec
	const processWide = 2 // CPUCLOCK_SCHED of <linux/posix-timers.h>
	clock := uintptr(^pid)<<3 | processWide
	if _, _, e := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&ts)), 0); e != 0 {
		return 0
	}
	return time.Duration(ts.Nano())
}

// rss is the resident memory in bytes.
func (p *process) rss() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.pid()))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// peakRSS is the most that was ever resident, in bytes.
func (p *process) peakRSS() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid()))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), "VmHWM:")
	fields := strings.Fields(after)
	if len(fields) == 0 {
		return 0
	}
	kib, _ := strconv.ParseInt(fields[0], 10, 64)
	return kib << 10
}

// rest waits until the subject has used next to no CPU for a while: its backlog is done.
func (p *process) rest(ctx context.Context, limit time.Duration) error {
	const look, quiet = 50 * time.Millisecond, 2 * time.Millisecond
	deadline := time.Now().Add(limit)
	last, calm := p.cpu(), 0
	for calm < 5 {
		if err := pause(ctx, look); err != nil {
			return err
		}
		if err := p.died(); err != nil {
			return err
		}
		now := p.cpu()
		if now-last < quiet {
			calm++
		} else {
			calm = 0
		}
		last = now
		if time.Now().After(deadline) {
			return fmt.Errorf("%s never came to rest within %v", p.name, limit)
		}
	}
	return nil
}

// pause sleeps unless the run is called off.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// until polls a condition; what it waits for is named in the error.
func until(ctx context.Context, limit time.Duration, what string, ok func() bool) error {
	deadline := time.Now().Add(limit)
	for !ok() {
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %v in vain for %s", limit, what)
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func freePort() (int, error) {
	free, err := ports.Free(1)
	if err != nil {
		return 0, err
	}
	return free[0], nil
}

// answers reports whether something listens on the loopback port.
func answers(port int) bool {
	c, err := net.DialTimeout("tcp4", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}
