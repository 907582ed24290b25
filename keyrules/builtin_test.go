package keyrules_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
)

// A timer that changes its name breaks every graph drawn from it, so the keys are tach's to the byte,
// but for what would be no safe segment. The golden file comes from tach's own helpers; see
// testdata/tach_helper.py.
func TestProcessStackIsTachsKeyForRoutesAndMadePaths(t *testing.T) {
	golden := table(t, "testdata/process_stack.tsv")
	require.Len(t, golden, len(table(t, "testdata/nova.tsv"))+1000)
	for column, name := range map[int]string{3: "first", 4: "later"} {
		sets := map[string]*keyrules.Set{}
		differ := 0
		for _, row := range golden {
			method, path, action := row[0], row[1], row[2]
			if sets[action] == nil {
				sets[action] = set(t, keyrules.Rule{Use: "process_stack", Prefix: "nova.api", Strip: []string{"/v2.1"},
					Segment: (column - 3) * 2, Action: action})
			}
			ours := sets[action].Resolve(get(method, "/v2.1"+path)).Key
			require.Equal(t, row[column+2], ours, "%s form of %s", name, path)
			if ours != row[column] {
				differ++
				t.Logf("%s form, %s %s: tach %s, calltap %s", name, method, path, row[column], ours)
				require.True(t, row[column] == "!" || unsafeElement(path), "%s form of %s: tach %s, calltap %s", name, path, row[column], ours)
			}
		}
		t.Logf("%s form: %d of %d keys are tach's to the byte", name, len(golden)-differ, len(golden))
	}
}

// unsafeElement reports whether one of the first elements cannot be a key segment as it stands.
func unsafeElement(path string) bool {
	elements := strings.Split(path, "/")[1:]
	for _, e := range elements[:min(len(elements), 2)] {
		if e == "" || strings.Trim(e, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
			return true
		}
	}
	return false
}

func TestProcessStackByShapeAlone(t *testing.T) {
	routes := table(t, "testdata/nova.tsv")
	s := set(t, keyrules.Rule{Use: "process_stack", Prefix: "nova.api"})
	guessed := 0
	for i, row := range table(t, "testdata/process_stack.tsv")[:len(routes)] {
		if got := s.Resolve(get(row[0], row[1])).Key; got == row[5] {
			guessed++
		} else {
			t.Logf("%s: by shape alone %s, tach: %s", routes[i][1], got, row[3])
		}
	}
	t.Logf("%d of %d keys are tach's with no action told", guessed, len(routes))
	require.GreaterOrEqual(t, float64(guessed)/float64(len(routes)), 0.97)
}

func TestQueueReceiveOfNetworkAndScheduler(t *testing.T) {
	s := set(t, keyrules.Rule{Use: "network_queue_receive", Prefix: "nova.network"}, keyrules.Rule{Use: "scheduler_queue_receive", Prefix: "tach.sched"},
		keyrules.Rule{Use: "queue_receive", Prefix: "nova.compute"})
	require.Equal(t, "nova.network.get_fixed_ip", s.Resolve(rpc("network", "get_fixed_ip")).Key)
	require.Equal(t, "tach.sched.run_instance", s.Resolve(rpc("scheduler", "run_instance")).Key)
	require.Equal(t, "nova.compute.run_instance", s.Resolve(rpc("compute", "run_instance")).Key)
	require.Equal(t, "conductor.ping", s.Resolve(rpc("conductor", "ping")).Key)
}

func TestGoldenKeysAreWhatTachsHelperPrints(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	routes, err := os.Open("testdata/nova.tsv")
	require.NoError(t, err)
	defer routes.Close()
	run := exec.Command(python, "testdata/tach_helper.py")
	run.Stdin = routes
	printed, err := run.Output()
	require.NoError(t, err)
	golden, err := os.ReadFile("testdata/process_stack.tsv")
	require.NoError(t, err)
	require.Equal(t, string(golden), string(printed))
}

func TestProcessStackAtTheEdgesOfAPath(t *testing.T) {
	s := set(t, keyrules.Rule{Use: "process_stack", Prefix: "nova.api", Strip: []string{"/v2", "/v2.1", "/v2/{project}"}})
	for path, key := range map[string]string{
		"/v2.1/servers/detail":       "nova.api.servers.detail.detail.GET",
		"/v2.1/servers":              "nova.api.servers.index.GET",
		"/v2.1/servers/":             "nova.api.servers.index.GET",
		"/v2.1/servers/7/ips/public": "nova.api.servers.7.show.GET",
		"/v2.1":                      "nova.api.show.GET",
		"/v2.1/":                     "nova.api.show.GET",
		"/":                          "nova.api.show.GET",
		"":                           "nova.api.show.GET",
		"/v2.10/servers":             "nova.api.v2_10.servers.index.GET", // no mount point: /v2.1 is another segment
		"/v2/0a1b2c3d4e5f/servers":   "nova.api.servers.index.GET",       // the longest mount point
		"/servers/a b:1|c":           "nova.api.servers.a_b_1_c.show.GET",
		"//servers/x":                "nova.api.servers.show.GET", // '' '' servers: three elements
	} {
		require.Equal(t, key, s.Resolve(get("GET", path)).Key, path)
	}
	call := get("POST", "/v2.1/servers/7/action")
	require.Equal(t, "nova.api.servers.7.action.POST", s.Resolve(call).Key)
	call.BodyKey = "os-start"
	require.Equal(t, "nova.api.servers.7.os-start.POST", s.Resolve(call).Key)
	require.Equal(t, "nova.api.servers.OPTIONS", s.Resolve(get("OPTIONS", "/v2.1/servers")).Key, "no action: no segment")
}

func TestQueueReceiveTakesItsOwnTopicOnly(t *testing.T) {
	s := set(t,
		keyrules.Rule{Use: "queue_receive", Prefix: "nova.compute", Service: "rpc{rpc.method}"},
		keyrules.Rule{Use: "queue_receive", Prefix: "nova.sched", Topic: "scheduler*"})
	r := s.Resolve(rpc("compute", "build_and_run_instance"))
	require.Equal(t, keyrules.Result{Key: "nova.compute.build_and_run_instance", Name: "build_and_run_instance",
		Service: "rpcbuild_and_run_instance", Rule: "rule 1"}, r)
	require.Equal(t, "nova.sched.select_destinations", s.Resolve(rpc("scheduler_x", "select_destinations")).Key)
	require.Equal(t, "conductor.ping", s.Resolve(rpc("conductor", "ping")).Key)
	require.Equal(t, "nova.compute._none", s.Resolve(rpc("compute", "")).Key)
	require.Equal(t, "default", s.Resolve(get("GET", "/compute")).Rule, "HTTP is none of its business")
}

// A built-in matches a whole API. Were it tried where it stands, every line below it would be dead.
func TestBuiltInDoesNotHideTheRulesBelowIt(t *testing.T) {
	s := set(t,
		keyrules.Rule{Use: "process_stack", Prefix: "nova.api", Strip: []string{"/v2.1"}},
		keyrules.Rule{Methods: []string{"GET"}, Path: "/v2.1/servers/{id}", Key: "nova.api.servers.{action}.{method}", Action: "show"},
		keyrules.Rule{Ignore: true, Methods: []string{"GET"}, Path: "/healthcheck"})
	require.Equal(t, "nova.api.servers.show.GET", s.Resolve(get("GET", "/v2.1/servers/77")).Key)
	require.True(t, s.Resolve(get("GET", "/healthcheck")).Ignore)
	require.Equal(t, "nova.api.flavors.index.GET", s.Resolve(get("GET", "/v2.1/flavors")).Key)
}
