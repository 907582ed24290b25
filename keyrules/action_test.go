package keyrules_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var placeholder = regexp.MustCompile(`\{\w+\}`)

// named are ids as people give them, words that no look at a segment can tell from a route.
var named = map[string]string{
	"/os-keypairs/{id}": "mykey", "/os-hosts/{id}": "compute1", "/os-quota-class-sets/{id}": "default",
	"/extensions/{id}": "os-consoles", "/tags/{id}": "web", "/metadata/{id}": "owner", "/ips/{id}": "public",
	"{domain_id}": "example.org", "/os-security-groups/{id}": "db", "/os-fixed-ips/{id}": "10.0.0.5",
	"/versions/{id}": "v2.1", "/os-extra_specs/{id}": "hw:cpu_policy", "/os-hypervisors/{id}": "node7",
}

// fill puts ids into a route's path: UUIDs, or the names that its operators would give.
func fill(path string, names bool) string {
	for route, name := range named {
		if names && strings.Contains(path, route) {
			path = strings.ReplaceAll(path, route, placeholder.ReplaceAllString(route, name))
		}
	}
	return placeholder.ReplaceAllString(path, "d9b1c0c4-0c5f-4c2b-9d4f-1234567890ab")
}

// The action is half of a key's worth. nova's own route table is the judge of a guess that knows
// nothing of nova; with UUIDs, which the shape can see, and with names, which it cannot.
func TestActionsOfRESTShapeAgreeWithNovasRouteTable(t *testing.T) {
	s := set(t)
	routes := table(t, "testdata/nova.tsv")
	for _, mode := range []struct {
		ids   string
		names bool
		floor float64
	}{{"UUIDs", false, 0.97}, {"names where people give names", true, 0.95}} {
		right := 0
		for _, row := range routes {
			call := get(row[0], "/v2.1"+fill(row[1], mode.names))
			if got := s.Resolve(call).Action; got == row[2] {
				right++
			} else {
				t.Logf("%s: %s %s is %s, not %s", mode.ids, call.Method, call.Path, row[2], got)
			}
		}
		share := float64(right) / float64(len(routes))
		t.Logf("ids are %s: %d of %d actions right, %.3f", mode.ids, right, len(routes), share)
		require.GreaterOrEqual(t, share, mode.floor)
	}
}

func TestActionByShape(t *testing.T) {
	s := set(t)
	for call, action := range map[string]string{
		"GET /":                         "show",
		"GET /v2.1/":                    "show",
		"GET /servers":                  "index",
		"HEAD /servers":                 "index",
		"GET /servers/17":               "show",
		"POST /servers":                 "create",
		"PUT /servers/17":               "update",
		"PATCH /servers/17":             "update",
		"PUT /servers/17/tags":          "update_all",
		"PUT /settings":                 "update_all",
		"DELETE /servers/17":            "delete",
		"DELETE /servers/17/tags":       "delete_all",
		"DELETE /keypairs/mine":         "delete", // nobody deletes a collection so deep
		"PUT /keypairs/mine":            "update",
		"GET /servers/detail":           "detail",
		"GET /servers/17/metadata/name": "show", // where a member stands
		"GET /servers/17/ips":           "index",
		"POST /v3/auth/tokens":          "create",
		"POST /networks/add":            "add",
		"POST /cells/sync_instances":    "sync_instances",
		"GET /cells/sync_instances":     "index",
		"GET /hosts/17/reboot":          "reboot",
		"POST /servers/17/action":       "action",
		"POST /servers/17/action/":      "action",
		"GET /servers/17/action":        "index",
		// of other APIs than nova's
		"GET /api/v4/projects":                     "index",
		"GET /rest/users/me":                       "show",
		"GET /v3/17/scheduler-stats/get_pools":     "get_pools",
		"GET /v3/17/qos-specs/18/disassociate_all": "disassociate_all",
		"POST /v2/images/18/actions/reactivate":    "reactivate",
		"POST /api/v1/statuses/18/unfavourite":     "unfavourite",
		"POST /v3/17/workers/cleanup":              "cleanup",
		"GET /requests":                            "index",
		"GET /reports/17":                          "show",
		"GET /tags":                                "index",
		"GET /me":                                  "show",
		"PUT /api/settings":                        "update_all",
		"GET /volume/v3/17":                        "show",
		"GET /identity/v3/users":                   "index",
		"GET /keypairs/mykey":                      "show",
		"GET /users/jane/posts":                    "index",
		"GET /auth/tokens":                         "index",
		"GET /projects/17/repository/files":        "index",
		"GET /projects/17/hooks/main":              "show",
		"PUT /users/17/avatar":                     "update",
		"DELETE /users/17/avatar":                  "delete",
		"DELETE /servers/17/metadata":              "delete_all",
		"POST /volumes/17/unmanage":                "unmanage",
		"POST /snapshots/manage":                   "manage",
		"PUT /routers/17/add_router_interface":     "add_router_interface",
		"GET /backups/17/export_record":            "export_record",
		"PUT /consistencygroups/17/update":         "update",
		"POST /users/17/reset-password":            "reset-password",
		"POST /pets/17/uploadImage":                "uploadImage",
		"POST /add-ons":                            "create",
		"POST /repos/17/start-times":               "create",
		"POST /projects/17/star":                   "star",
		"GET /projects/17/star":                    "index",
		"GET /posts/17/edit":                       "edit",
		"GET /posts/new":                           "new",
		"POST /v1/topics/orders:publish":           "publish",
		"POST /v1/things/d9b1c0c4-0c5f-4c2b-9d4f-1234567890ab:cancel": "cancel",
		"GET /flavors/17/specs/hw:policy":                             "show",
		"GET /address/17":                                             "show",
		"PUT /status":                                                 "update_all",
		"OPTIONS /servers":                                            "",
		"BREW /servers":                                               "",
		"GET /2.0/users":                                              "index",
		"GET /2.0":                                                    "show",
		"GET /servers/{id}":                                           "show", // a path that is a template already
		"PUT " + strings.Repeat("/a", 40):                             "update",
		"POST " + strings.Repeat("/1", 4096):                          "create",
	} {
		method, path, _ := strings.Cut(call, " ")
		require.Equal(t, action, s.Resolve(get(method, path)).Action, call)
	}
}

// A client chooses the body. What it chooses becomes one segment and nothing else.
func TestBodyKeyCannotForgeAMetric(t *testing.T) {
	s := set(t)
	call := get("POST", "/servers/17/action")
	for body, key := range map[string]string{
		"os-start":               "nova-api.servers.os-start.POST",
		"reboot.evil:1|c\nx":     "nova-api.servers.reboot_evil_1_c_x.POST",
		"\xff\x00":               "nova-api.servers.__.POST",
		strings.Repeat("a", 100): "nova-api.servers." + strings.Repeat("a", 71) + "-0a0bb1d9.POST",
	} {
		call.BodyKey = body
		r := s.Resolve(call)
		requireSafe(t, r)
		require.Equal(t, key, r.Key)
	}
	call.Method = "PUT"
	require.Equal(t, "update", s.Resolve(call).Action, "only a POST has its action in the body")
}
