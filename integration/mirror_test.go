package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
	"github.com/calltap/calltap/integration/rabbit"
)

// mirrored sees requests only, and needs no firehose.
var mirrored = strings.Replace(novaCaddyfile, "firehose", "accept_changes\n\t\t\tmirror nova conductor compute.# compute", 1)

// In mirror mode the broker shows requests and no deliveries: one span a request, under the HTTP span.
func TestAMirrorShowsRequestsWithoutTheFirehose(t *testing.T) {
	l := ownVHost(t, rabbit.Rights{`^tap\.`, `^tap\.`, `^(tap\.|nova$)`})
	nova, err := harness.StartNova(t.TempDir(), l.url(), callTimeout)
	harness.Need(t, err)
	t.Cleanup(nova.Stop)
	options := l.options()
	options["API"] = fmt.Sprintf("127.0.0.1:%d", nova.Port)
	c := start(t, mirrored, options)
	awaitTap(t, c)

	require.Equal(t, 202, do(t, c, "POST", "/v2.1/servers", "{}").Status)
	trace := awaitTrace(t, c.Store(), service(t), 5)
	for _, method := range []string{"build_instance", "prepare_instance", "run_instance", "instance_update"} {
		require.Contains(t, drawing(trace), method)
	}
	require.NotContains(t, drawing(trace), "LOOSE")
	require.NotContains(t, drawing(trace), "CONSUMER", "no delivery is seen")
	require.Empty(t, find(trace, "SERVER", "/v2.1/servers").ParentID)
}

func TestAMissingExchangeIsNamedWithTheCure(t *testing.T) {
	l := theLab(t)
	c := start(t, strings.Replace(mirrored, "mirror nova", "mirror no-such-exchange", 1), l.options())
	require.Equal(t, 200, do(t, c, "GET", "/v2.1/servers", "").Status)
	harness.Eventually(t, patience, func() error {
		if !strings.Contains(c.Output(), "no-such-exchange") {
			return fmt.Errorf("the log does not name the exchange")
		}
		return nil
	})
}
