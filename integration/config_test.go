package integration

import (
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
)

func TestValidateDialsNothing(t *testing.T) {
	var dialled atomic.Int32
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			dialled.Add(1)
			conn.Close()
		}
	}()
	dir := t.TempDir()
	file := filepath.Join(dir, "Caddyfile")
	require.NoError(t, os.WriteFile(file, []byte(novaCaddyfile), 0o600))
	env := []string{
		"XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir, "HTTP_PORT=80", "SERVICE=s", "PREFIX=p", "API=127.0.0.1:1",
		"ZIPKIN=http://" + listener.Addr().String(), "STATSD=" + listener.Addr().String(),
		"RABBITMQ=amqp://tap:canary@" + listener.Addr().String() + "/",
	}
	_, err = harness.Exec(binary(t), dir, env, "validate", "--config", file)
	require.NoError(t, err)
	require.Zero(t, dialled.Load())
}

// Each row is a slip of the pen, and what the error must say to mend it.
func TestMistakesInTheCaddyfileAreNamedWithTheirCure(t *testing.T) {
	dir := t.TempDir()
	for wrong, says := range map[string][]string{
		"\tzipkn http://127.0.0.1:9411":                {"Caddyfile:4", "zipkn", "zipkin"},
		"\tzipkin 127.0.0.1:9411":                      {"127.0.0.1:9411", "http"},
		"\tlink openstck":                              {"openstck", "openstack"},
		"\tsample 2":                                   {"sample", "2"},
		"\trabbitmq http://127.0.0.1 {\n\tfirehose\n}": {"amqp"},
		"\trabbitmq amqp://127.0.0.1 {\n\tfirehse\n}":  {"firehse", "firehose"},
		"\tkeys {\n\trule GET /x {\n\tkee a\n}\n}":     {"kee", "key"},
		"\tstatsd 127.0.0.1:8125 {\n\tprefx a\n}":      {"prefx", "prefix"},
	} {
		file := filepath.Join(dir, "Caddyfile")
		require.NoError(t, os.WriteFile(file, []byte("{\n\tcalltap {\n\tstore\n"+wrong+"\n\t}\n}\n"), 0o600))
		_, err := harness.Exec(binary(t), dir, []string{"XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir}, "validate", "--config", file)
		require.Error(t, err, wrong)
		for _, word := range says {
			require.ErrorContains(t, err, word, wrong)
		}
	}
}

func TestUnsampledCallsAreCountedAndNotSent(t *testing.T) {
	l := theLab(t)
	c := startTapped(t, l, strings.Replace(novaCaddyfile, "link openstack", "link openstack\n\t\tsample 0", 1))
	require.Equal(t, 202, do(t, c, "POST", "/v2.1/servers", "{}").Status)
	requireTimer(t, l, "nova.api.servers.create.POST", 1)
	requireTimer(t, l, "nova.conductor.instance_update", 1) // the last of it
	traces, err := l.zipkin.Traces(url.Values{"serviceName": {service(t)}})
	require.NoError(t, err)
	require.Empty(t, traces)
	s, err := c.Status()
	require.NoError(t, err)
	require.Zero(t, s.Emitter("zipkin").Accepted)
	requireBalance(t, c)
}
