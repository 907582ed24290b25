package amqptap

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/amqptap/dialect"
	"github.com/calltap/calltap/internal/config"
	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/spanbuilder"
)

// namedArgs are rules by which nova's generic conductor methods tell what they do.
var namedArgs = keyrules.Config{Rules: []keyrules.Rule{{
	Kind: "rpc", Topic: "conductor", RPCMethod: "object_*action*",
	Key: "nova.conductor.{rpc.arg.objname}.{rpc.arg.objmethod}", Name: "{rpc.arg.objname}.{rpc.arg.objmethod}",
	Category: "database", Tags: []keyrules.Tag{{Name: "nova.object", Value: "{rpc.arg.objname}"}}, Notes: []string{"write"},
}}}

func TestGenericMethodsAreNamedByTheirArguments(t *testing.T) {
	capture, err := os.ReadFile(novaBoot)
	require.NoError(t, err)
	spans, _, err := replayed(t, config.Config{Keys: namedArgs, Link: "openstack"}, string(capture))
	require.NoError(t, err)
	require.Len(t, spans, 32)
	servers := map[string]int{}
	for _, s := range spans {
		if s.Tags["rpc.method"] != "object_action" && s.Tags["rpc.method"] != "object_class_action_versions" {
			require.NotContains(t, s.Tags, "nova.object")
			continue
		}
		object, _, _ := strings.Cut(s.Name, ".")
		require.Equal(t, object, s.Tags["nova.object"])
		require.Equal(t, "database", s.Tags[spanbuilder.CategoryTag])
		require.Equal(t, "nova.conductor."+s.Name, s.Tags["calltap.key"])
		if s.Kind == "SERVER" {
			servers[s.Tags["calltap.key"]]++
		}
	}
	require.Equal(t, map[string]int{
		"nova.conductor.Instance.save":                                 6,
		"nova.conductor.ComputeNode.save":                              1,
		"nova.conductor.BlockDeviceMapping.save":                       1,
		"nova.conductor.InstanceActionEvent.event_start":               1,
		"nova.conductor.InstanceActionEvent.event_finish_with_failure": 1,
		"nova.conductor.BlockDeviceMappingList.get_by_instance_uuid":   1,
		"nova.conductor.Service.get_by_compute_host":                   1,
	}, servers)
}

// A reload with other rules reads other arguments from then on.
func TestANewConfigurationReadsWhatItsRulesName(t *testing.T) {
	st, err := newStream(dialect.Limits{}, nil, spanbuilder.PairerOptions{})
	require.NoError(t, err)
	body := []byte(`{"method": "m", "_unique_id": "0123456789abcdef0123456789abcdef", "args": {"a": "1", "b": "2"}}`)
	seen := func(key string) spanbuilder.Args {
		tracer, err := printingTracer(config.Config{Keys: keyrules.Config{Rules: []keyrules.Rule{{Kind: "rpc", RPCMethod: "m", Key: key}}}}, nil)
		require.NoError(t, err)
		var m spanbuilder.Message
		st.observe(tracer, &dialect.Record{Point: spanbuilder.Published, Time: 1e15, Body: body}, &m)
		require.Equal(t, "m", m.Method)
		return m.Args
	}
	require.Equal(t, "1", seen("x.{rpc.arg.a}").Get("a"))
	args := seen("x.{rpc.arg.b}")
	require.Equal(t, "2", args.Get("b"))
	require.Empty(t, args.Get("a"))
	require.Empty(t, seen("x.y"))
}
