package amqptap

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/rabbit"
)

// The broker asks each client for a certificate, and takes its common name for the user: what an operator does who
// wants no passwords at all.
func TestLoginByCertificate(t *testing.T) {
	t.Parallel()
	node := rabbit.StartSecure(t)
	node.Ctl(t, "trace_on")
	url := func(user string) string { return fmt.Sprintf("amqps://%s127.0.0.1:%d/", user, node.TLSPort) }
	cert, key, err := node.Certificate("tap")
	require.NoError(t, err)

	t.Run("unknown user", func(t *testing.T) {
		tap := start(t, &Source{URL: url(""), TLS: &TLS{CA: node.CA, Cert: cert, Key: key}})
		_, fields := tap.awaitLog(t, "cannot tap the broker")
		require.Contains(t, fields["error"], "ACCESS_REFUSED")
		require.Contains(t, fields["advice"], "rabbitmqctl add_user 'tap' PASSWORD, rabbitmqctl clear_password 'tap'")
	})

	typed(t, node.Node, documentedRights(t)["certificate"])
	for _, reader := range []string{"inplace", "library"} {
		t.Run("external "+reader, func(t *testing.T) {
			tap := start(t, &Source{URL: url(""), Reader: reader, TLS: &TLS{CA: node.CA, Cert: cert, Key: key}})
			tap.awaitConnected(t)
			tap.seesCalls(t, node.URL(), "external-"+reader, 1)
			require.Contains(t, node.Ctl(t, "list_connections", "user", "ssl", "auth_mechanism"), "tap\ttrue\tEXTERNAL")
		})
	}
	t.Run("certificate and password", func(t *testing.T) {
		tap := start(t, &Source{URL: url("guest:guest@"), TLS: &TLS{CA: node.CA, Cert: cert, Key: key}})
		tap.awaitConnected(t)
		require.Contains(t, node.Ctl(t, "list_connections", "user", "ssl", "auth_mechanism"), "guest\ttrue\tPLAIN")
	})
	t.Run("no certificate", func(t *testing.T) {
		tap := start(t, &Source{URL: url("guest:guest@"), TLS: &TLS{CA: node.CA}})
		_, fields := tap.awaitLog(t, "cannot tap the broker")
		require.Contains(t, fields["error"], "certificate required")
		require.Contains(t, fields["advice"], "tls { cert FILE KEYFILE }")
	})
	t.Run("a stranger's certificate", func(t *testing.T) {
		other, err := rabbit.NewAuthority(t.TempDir())
		require.NoError(t, err)
		cert, key, err := other.Certificate("tap")
		require.NoError(t, err)
		tap := start(t, &Source{URL: url(""), TLS: &TLS{CA: node.CA, Cert: cert, Key: key}})
		_, fields := tap.awaitLog(t, "cannot tap the broker")
		require.Contains(t, fields["error"], "tls: ")
		require.Contains(t, fields["advice"], "authority")
	})
}
