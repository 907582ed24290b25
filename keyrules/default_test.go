package keyrules_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
)

func TestDefaultNamesAndKeysHaveNoIDs(t *testing.T) {
	s := set(t)
	for call, want := range map[string][2]string{
		"GET /v2.1/servers/d9b1c0c4-0c5f-4c2b-9d4f-1234567890ab": {"GET /v2.1/servers/{id}", "nova-api.v2_1.servers.show.GET"},
		"POST /v2.1/servers/17/action":                           {"POST /v2.1/servers/{id}/action", "nova-api.v2_1.servers.action.POST"},
		"GET /v2.1/servers/detail":                               {"GET /v2.1/servers/detail", "nova-api.v2_1.servers.detail.GET"},
		"GET /os-volumes_boot/9":                                 {"GET /os-volumes_boot/{id}", "nova-api.os-volumes_boot.show.GET"},
		"GET /api/hello.world":                                   {"GET /api/hello.world", "nova-api.api.hello_world.index.GET"},
		"GET /@user/posts":                                       {"GET /@user/posts", "nova-api._user.posts.index.GET"},
		"BREW /pot":                                              {"_OTHER /pot", "nova-api.pot._OTHER"},
		"get /pot":                                               {"_OTHER /pot", "nova-api.pot._OTHER"},
		"GET /":                                                  {"GET /", "nova-api.show.GET"},
		"GET ":                                                   {"GET /", "nova-api.show.GET"},
		"OPTIONS *":                                              {"OPTIONS /{id}", "nova-api.OPTIONS"},
		"GET //servers//17/":                                     {"GET /servers/{id}", "nova-api.servers.show.GET"},
		"GET /<script>alert(1)</script>":                         {"GET /{id}/{id}", "nova-api.show.GET"},
		"GET /日本":                                                {"GET /{id}", "nova-api.show.GET"},
		"GET /a/b/c/d/e/f/g/h/i/j/k/l":                           {"GET /a/b/c/d/e/f/g/h/i/j/**", "nova-api.a.b.c.d.e.f.g.h.i.j.index.GET"},
	} {
		method, path, _ := strings.Cut(call, " ")
		r := s.Resolve(get(method, path))
		require.Equal(t, want, [2]string{r.Name, r.Key}, call)
		require.Equal(t, "default", r.Rule)
		require.Equal(t, "nova-api", r.Service)
		requireSafe(t, r)
	}
	require.Equal(t, "http.servers.index.GET", s.Resolve(&keyrules.Call{Kind: keyrules.HTTP, Method: "GET", Path: "/servers"}).Key)
	require.Equal(t, "nova_api.index.servers.GET",
		strings.Replace(s.Resolve(&keyrules.Call{Method: "GET", Path: "/servers", Service: "nova.api"}).Key, "servers.index", "index.servers", 1),
		"a service is one segment, a call of no kind is HTTP")
}

func TestDefaultOfRPC(t *testing.T) {
	s := set(t)
	for _, c := range []struct {
		call      keyrules.Call
		name, key string
	}{
		{keyrules.Call{Topic: "compute", RPCMethod: "build"}, "build", "compute.build"},
		{keyrules.Call{Service: "nova-compute", Topic: "compute", RPCMethod: "build"}, "build", "nova-compute.build"},
		{keyrules.Call{Topic: "reply_0a1b2c3d4e5f60718293a4b5c6d7e8f9", Exchange: "nova", RPCMethod: "x.y"}, "x.y", "nova.x_y"},
		{keyrules.Call{Queue: "amq.gen-JzTY20BRgKO-HjmUJj0wLg", RPCMethod: "add"}, "add", "rpc.add"},
		{keyrules.Call{Queue: "rpc_queue"}, "rpc_queue", "rpc_queue._none"},
		{keyrules.Call{}, "rpc", "rpc._none"},
		{keyrules.Call{Topic: "t", RPCMethod: "a:1|c\nb"}, "a:1|c_b", "t.a_1_c_b"},
	} {
		c.call.Kind = keyrules.RPC
		r := s.Resolve(&c.call)
		require.Equal(t, [2]string{c.name, c.key}, [2]string{r.Name, r.Key})
		requireSafe(t, r)
	}
}

// A word taken for an id joins two routes into one timer; an id taken for a word makes a timer a call.
func TestSegmentsThatLookLikeIDs(t *testing.T) {
	s := set(t)
	isID := func(segment string) bool {
		return strings.HasSuffix(s.Resolve(get("GET", "/x/"+segment)).Name, "{id}")
	}
	for _, id := range []string{
		"1", "0", "-5", "1234567890", "10.0.0.5", "12:30", "2024-01-31", "20240131", "2024-01-31T10:00:00Z", "2024-01-31T10:00:00+02:00",
		"d9b1c0c4-0c5f-4c2b-9d4f-1234567890ab", "D9B1C0C40C5F4C2B9D4F1234567890AB", "ffffffff-ffff-ffff-ffff-ffffffffffff",
		"{3f2504e0-4f89-11d3-9a0c-0305e82c3301}", "req-d9b1c0c4-0c5f-4c2b-9d4f-1234567890ab", "reply_0a1b2c3d4e5f60718293a4b5c6d7e8f9",
		"a1b2c3d4", "i-0abc123def4567890", "vol-0a1b2c3d", "sha256:9f86d081884c7d659a2feaa0c55ad015", "fe80::1", "00:1b:44:11:3a:b7",
		"joe@example.org", "j.doe+tag@mail.example.org", "dGhpc0lzQVRva2Vu", "SGVsbG8gd29ybGQ=", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "V1StGXR8_Z5jdHi6B-myT",
		"dQw4w9WgXcQ", "5f2b7c9e1d3a4b6c8d0e1f2a", "k3j9x0a2bz", "order-123456", "main.8f3a2b1c.js", "My Document.pdf", "a%2Fb", "Users('17')", "日本",
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N", strings.Repeat("a", 65), strings.Repeat("z", 33), "{id}",
		"2001:db8::8a2e:370:7334", "ya29.a0AfH6SMBx3kqv9Zk1",
	} {
		require.True(t, isID(id), id)
	}
	for _, word := range []string{
		"servers", "os-volumes_boot", "hello.world", "@user", "v2.1", "v1", "V3", "v1beta1", "v2alpha", "detail", "os-extra_specs", "m1.tiny",
		"getUserProfileByName", "ListObjectsV2", "OS-EXT-SRV-ATTR", "internationalization", "compute1", "node-7", "rfc-8259", "index.html",
		"jquery-3.6.0.min.js", ".well-known", "openid-configuration", "a", "x86_64", "oauth2", "s3", "ec2", "k8s", "h264", "ipv6", "utf8",
		"deadbeef", "facade", "decade", "os-instance_usage_audit_log", "os-security-group-default-rules", "allocation_candidates", "sign-in",
		"two-factor-authentication-recovery-codes", "CreateOrUpdateVirtualMachineScaleSet", "web_fetch", "~root", "latest", "2fa", "page2",
	} {
		require.False(t, isID(word), word)
	}
}

// Not a bug: what these are, nobody can tell from their looks. The key table stands behind.
func TestSegmentsThatFoolTheHeuristic(t *testing.T) {
	s := set(t)
	for _, id := range []string{"mykey", "compute1", "deadbeef", "kfjvmsqp"} {
		require.Equal(t, "GET /x/"+id, s.Resolve(get("GET", "/x/"+id)).Name)
	}
}

func TestOverlongTextIsCutAndStaysApart(t *testing.T) {
	s := set(t, keyrules.Rule{Path: "/long/{a}/{b}/{c}/{d}/{e}", Key: "x.{a}.{b}.{c}.{d}.{e}", Name: "{a}{b}{c}{d}{e}", Service: "{a}{b}{c}{d}"})
	seen := map[string]bool{}
	for i := range 50 {
		long := strings.Repeat("é:", 60) + fmt.Sprint(i)
		r := s.Resolve(get("GET", "/long"+strings.Repeat("/"+long, 5)))
		requireSafe(t, r)
		require.Greater(t, len(r.Key), 200)
		seen[r.Key] = true
	}
	require.Len(t, seen, 50)
	a := s.Resolve(get("GET", "/long/"+strings.Repeat("a", 80)+"/b/c/d/e")).Key
	require.Equal(t, "x."+strings.Repeat("a", 80)+".b.c.d.e", a, "80 bytes are not too long")
}
