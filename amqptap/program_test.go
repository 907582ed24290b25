package amqptap

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/amqptap/management"
	"github.com/calltap/calltap/spanbuilder"
)

func TestProgramsBehindConnections(t *testing.T) {
	const connection = "10.0.0.7:42418 -> 10.0.0.1:5672"
	for provided, want := range map[string]spanbuilder.Identity{
		"nova-compute:9996:59452e5e-b37b-4fae-81f6-79d9cd3fa8e5": {Process: "10.0.0.7/nova-compute:9996", Service: "nova-compute"},
		"uwsgi:10000:59452e5e-b37b-4fae-81f6-79d9cd3fa8e5":       {Process: "10.0.0.7/uwsgi:10000"},
		"orders":         {Service: "orders"},
		"orders#3":       {Service: "orders"},
		"orders@host-17": {Service: "orders"},
		"orders-59452e5e-b37b-4fae-81f6-79d9cd3fa8e5": {Service: "orders"},
		"orders-api-7d9c5b8f64-x2x8z":                 {Service: "orders-api"},
		"orders-api-2":                                {Service: "orders-api"},
		"orders-4fae81f6d9":                           {Service: "orders"},
		"orders-facade":                               {Service: "orders-facade"}, // hexadecimal by chance
		"Orders.Api, pid 4711":                        {Process: "10.0.0.7/Orders.Api:4711", Service: "Orders.Api"},
		"rabbitConnectionFactory#1c2d3e:0":            {},
		"59452e5e-b37b-4fae-81f6-79d9cd3fa8e5":        {},
		"python3:77":                                  {Process: "10.0.0.7/python3:77"},
		"":                                            {},
		":::":                                         {},
		"12345":                                       {},
		"caf\xc3\xa9":                                 {},
		strings.Repeat("a", 65):                       {},
		strings.Repeat("-", 10_000):                   {},
	} {
		require.Equal(t, want, identityOf(connection, provided), provided)
	}
	require.Equal(t, "[::1]/a:77", identityOf("[::1]:5 -> [::1]:6", "a:77").Process)
	require.Equal(t, "/a:77", identityOf("", "a:77").Process)
}

// testdata/connections.json is what the brokers of two runs of nova told.
func TestNovasProcessesByTheirConnections(t *testing.T) {
	text, err := os.ReadFile("testdata/connections.json")
	require.NoError(t, err)
	var list []management.Connection
	require.NoError(t, json.Unmarshal(text, &list))
	processes := map[string]int{}
	services := map[string]int{}
	for _, c := range list {
		id := identityOf(c.Name, c.Provided)
		processes[id.Process]++
		services[id.Service]++
	}
	require.Equal(t, map[string]int{"nova-compute": 24, "nova-conductor": 20, "nova-scheduler": 4, "": 10}, services) // "" is nova-api, under uwsgi
	require.Equal(t, map[string]int{
		"127.0.0.1/nova-compute:9995": 5, "127.0.0.1/nova-compute:9996": 4, "127.0.0.1/nova-compute:14263": 7, "127.0.0.1/nova-compute:14264": 8,
		"127.0.0.1/nova-conductor:10048": 5, "127.0.0.1/nova-conductor:10049": 5, "127.0.0.1/nova-conductor:14305": 5, "127.0.0.1/nova-conductor:14306": 5,
		"127.0.0.1/nova-scheduler:9994": 2, "127.0.0.1/nova-scheduler:14262": 2,
		"127.0.0.1/uwsgi:10000": 3, "127.0.0.1/uwsgi:10001": 3, "127.0.0.1/uwsgi:14269": 1, "127.0.0.1/uwsgi:14270": 3,
	}, processes)
}

func FuzzIdentity(f *testing.F) {
	f.Add("10.0.0.7:42418 -> 10.0.0.1:5672", "nova-compute:9996:59452e5e-b37b-4fae-81f6-79d9cd3fa8e5")
	f.Add("[::1]:5 -> [::1]:6", "orders-api-7d9c5b8f64-x2x8z#3")
	f.Fuzz(func(t *testing.T, connection, provided string) {
		id := identityOf(connection, provided)
		require.LessOrEqual(t, len(id.Service), maxProgram)
		for _, c := range []byte(id.Service) {
			require.True(t, c > ' ' && c < 0x7f)
		}
	})
}
