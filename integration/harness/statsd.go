package harness

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/calltap/calltap/integration/ports"
)

// StatsD is the real server. It never flushes, so what it received stays readable through its
// management port for the whole run.
type StatsD struct {
	*Process
	Port int // UDP
	mgmt int

	dir string
}

// statsdConfig keeps names as they came (keyNameSanitize), because a server that cleans names up
// would hide a client that does not.
const statsdConfig = `{
  port: %d, address: "127.0.0.1", mgmt_port: %d, mgmt_address: "127.0.0.1",
  flushInterval: 86400000, backends: ["./backends/console"],
  keyNameSanitize: false, title: false, automaticConfigReload: false
}
`

// NewStatsD picks ports for a server that is yet to Boot.
func NewStatsD(dir string) (*StatsD, error) {
	free, err := ports.Free(2)
	if err != nil {
		return nil, err
	}
	return &StatsD{Port: free[0], mgmt: free[1], dir: dir}, nil
}

// StartStatsD starts a server on ports of its own and waits until it answers.
func StartStatsD(dir string) (*StatsD, error) {
	s, err := NewStatsD(dir)
	if err != nil {
		return nil, err
	}
	return s, s.Boot()
}

// Boot starts the server, also again after Stop: on the same ports, with nothing counted.
func (s *StatsD) Boot() error {
	script, err := part("node", "node_modules", "statsd", "stats.js")
	if err != nil {
		return err
	}
	node, err := program("node")
	if err != nil {
		return err
	}
	config := filepath.Join(s.dir, "statsd.js")
	if err := os.WriteFile(config, fmt.Appendf(nil, statsdConfig, s.Port, s.mgmt), 0o600); err != nil {
		return err
	}
	s.Process, err = Run(Spec{
		Name: "statsd", Path: node, Args: []string{script, config}, Dir: s.dir,
		Ready: func(string) bool { _, err := s.ask("health"); return err == nil },
	})
	return err
}

// Addr is where metrics are sent to.
func (s *StatsD) Addr() string { return fmt.Sprintf("127.0.0.1:%d", s.Port) }

// Counters returns the sum of each counter since the start.
func (s *StatsD) Counters() (map[string]float64, error) {
	text, err := s.ask("counters")
	if err != nil {
		return nil, err
	}
	all, err := parseInspect(text)
	sums := make(map[string]float64, len(all))
	for name, v := range all {
		for _, n := range v.Numbers {
			sums[name] += n
		}
	}
	return sums, err
}

// Timers returns how many values each timer received since the start, and the first hundred of them, in ms.
func (s *StatsD) Timers() (map[string]Values, error) {
	text, err := s.ask("timers")
	if err != nil {
		return nil, err
	}
	return parseInspect(text)
}

// ask sends one command to the management port; the answer ends with a line END, save that of health.
func (s *StatsD) ask(command string) (string, error) {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", s.mgmt), 10*time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintln(conn, command); err != nil {
		return "", err
	}
	var answer strings.Builder
	for lines := bufio.NewReader(conn); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return "", fmt.Errorf("statsd's answer to %s: %w", command, err)
		}
		if line == "END\n" || strings.HasPrefix(line, "health:") {
			return answer.String(), nil
		}
		answer.WriteString(line)
	}
}
