package rabbit

import (
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv("RABBIT_CHILD") != "" {
		launchAndHang()
	}
	goleak.VerifyTestMain(m)
}

func TestUsersSurviveARestart(t *testing.T) {
	t.Parallel()
	n := Start(t)
	n.Ctl(t, "add_user", "tap", "secret")
	n.Ctl(t, "set_permissions", "tap", "", "", ".*")

	n.Restart(t)
	conn, err := amqp.Dial(n.URLFor("tap", "secret"))
	require.NoError(t, err)
	require.NoError(t, conn.Close())

	n.Crash()
	_, err = net.DialTimeout("tcp", n.addr(), time.Second)
	require.Error(t, err, "a crashed node still listens")
	n.Boot(t)
}

func TestNothingOutlivesAKilledTestProcess(t *testing.T) {
	t.Parallel()
	if _, err := findServer(); err != nil {
		t.Skip("SKIPPED, NOTHING WAS TESTED: ", err)
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "RABBIT_CHILD="+t.TempDir())
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	buf := make([]byte, 64)
	k, err := out.Read(buf) // "GROUP\n", printed when the node is up
	require.NoError(t, err)
	group := strings.TrimSpace(string(buf[:k]))

	require.NoError(t, child.Process.Kill())
	_ = child.Wait()
	require.Eventually(t, func() bool { return len(membersOf(t, group)) == 0 }, 2*time.Minute, 100*time.Millisecond)
}

// launchAndHang is the body of the child process that gets killed.
func launchAndHang() {
	n, err := Launch(os.Getenv("RABBIT_CHILD"))
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString(strconv.Itoa(n.guard.Process.Pid) + "\n")
	select {}
}

// membersOf lists the processes of a process group, from /proc.
func membersOf(t *testing.T, group string) []string {
	entries, err := os.ReadDir("/proc")
	require.NoError(t, err)
	var pids []string
	for _, e := range entries {
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		// pid (comm) state ppid pgrp ...
		f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(f) > 2 && f[2] == group && f[0] != "Z" {
			pids = append(pids, e.Name())
		}
	}
	return pids
}
