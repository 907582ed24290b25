package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// rig is what the groups share.
type rig struct {
	board   *board
	bin     string // the calltap binary
	dir     string // scratch, removed at the end
	rng     *rand.Rand
	rounds  int
	slice   time.Duration
	profile string // folder for CPU profiles, "" is none
}

// group is a set of figures that share their subjects.
type group struct {
	name string
	run  func(context.Context, *rig) error
}

// groups in the order in which they run.
var groups = []group{
	{"http", benchHTTP},
	{"gogc", benchGOGC},
	{"inproc", benchInProcess},
	{"rules", benchRules},
	{"rpc", benchRPC},
	{"broker", benchBroker},
	{"memory", benchMemory},
	{"parents", benchParents},
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == bareRole {
		if err := bareConsumer(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	only := flag.String("only", "http,gogc,inproc,rules,rpc,broker,memory,parents", "groups to run, separated by commas")
	bin := flag.String("bin", "", "calltap binary to measure; built from cmd/calltap if empty")
	rounds := flag.Int("rounds", 100, "rounds of the http group; a round is one slice of each subject")
	slice := flag.Duration("slice", 120*time.Millisecond, "length of one http slice")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the order of slices and of the bootstrap")
	profile := flag.String("profile", "", "folder for CPU profiles of calltap under load")
	flag.Parse()

	chosen := strings.Split(*only, ",")
	for _, c := range chosen {
		if !slices.ContainsFunc(groups, func(g group) bool { return g.name == c }) {
			return fmt.Errorf("-only: no group %q; groups are http, gogc, inproc, rules, rpc, broker, memory, parents", c)
		}
	}
	dir, err := os.MkdirTemp("", "calltap-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r := &rig{
		board: &board{out: os.Stdout}, bin: *bin, dir: dir, rounds: *rounds, slice: *slice,
		rng: rand.New(rand.NewPCG(*seed, 1)), profile: *profile,
	}
	if err := r.build(ctx); err != nil {
		return err
	}
	r.machine("begin")
	defer r.machine("end")
	for _, g := range groups {
		if !slices.Contains(chosen, g.name) {
			continue
		}
		if err := g.run(ctx, r); err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
	}
	return nil
}

// machine tells under which conditions the figures came about.
func (r *rig) machine(when string) {
	text, _ := os.ReadFile("/proc/loadavg")
	load, _, _ := strings.Cut(string(text), " ")
	r.board.remark("run", "%s: %s, %d processors, %s, load average %s", when, time.Now().UTC().Format("2006-01-02 15:04 MST"),
		runtime.NumCPU(), runtime.Version(), load)
}

// build makes the binary as a release would, unless one was given.
func (r *rig) build(ctx context.Context) error {
	if r.bin != "" {
		return nil
	}
	r.bin = filepath.Join(r.dir, "calltap")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", r.bin, "github.com/calltap/calltap/cmd/calltap").CombinedOutput()
	if err != nil {
		return fmt.Errorf("building calltap: %w\n%s", err, out)
	}
	return nil
}
