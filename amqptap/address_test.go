package amqptap

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddyserver/caddy/v2"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

func TestPlaceholdersInAddresses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(file, []byte("from/a@file"), 0o600))
	t.Setenv("TAP_USER", "us:er")
	t.Setenv("TAP_PASSWORD", "p@ss:w/rd?# +%41")
	t.Setenv("TAP_HOST", "broker.example:5673")
	t.Setenv("TAP_URL", "amqp://u:p%40ss@h/v%2F")
	for address, want := range map[string]amqp.URI{
		"amqp://{env.TAP_USER}:{env.TAP_PASSWORD}@{env.TAP_HOST}/v": {Scheme: "amqp", Host: "broker.example", Port: 5673, Username: "us:er", Password: "p@ss:w/rd?# +%41", Vhost: "v"},
		"amqps://tap:{file." + file + "}@127.0.0.1":                 {Scheme: "amqps", Host: "127.0.0.1", Port: 5671, Username: "tap", Password: "from/a@file", Vhost: "/"},
		"{env.TAP_URL}":                {Scheme: "amqp", Host: "h", Port: 5672, Username: "u", Password: "p@ss", Vhost: "v/"},
		"amqp://127.0.0.1/":            {Scheme: "amqp", Host: "127.0.0.1", Port: 5672, Vhost: "/"},
		"amqp://tap:x@[::1]:5672/%2Fa": {Scheme: "amqp", Host: "::1", Port: 5672, Username: "tap", Password: "x", Vhost: "/a"},
	} {
		require.NoError(t, checkAddress(address), address)
		resolved, err := resolveAddress(address, caddy.NewReplacer())
		require.NoError(t, err, address)
		uri, err := parseAddress(resolved)
		require.NoError(t, err, address)
		uri.CertFile, uri.Heartbeat, uri.ConnectionTimeout, uri.ChannelMax = want.CertFile, want.Heartbeat, want.ConnectionTimeout, want.ChannelMax
		uri.AuthMechanism = nil
		require.Equal(t, want, uri, address)
	}
}

func TestWhoTheTapIsWithoutAUser(t *testing.T) {
	s := &Source{URL: "amqps://h/"}
	set, err := s.resolve(caddy.NewReplacer())
	require.NoError(t, err)
	require.Equal(t, "guest", set.URI.Username)
	require.Equal(t, "PLAIN", set.config().SASL[0].Mechanism())

	s.TLS = &TLS{Cert: "c", Key: "k"}
	set, err = s.resolve(caddy.NewReplacer())
	require.NoError(t, err)
	require.Equal(t, "EXTERNAL", set.config().SASL[0].Mechanism())
	require.Contains(t, set.grant(), "'USER-OF-THE-CERTIFICATE'")

	s.URL = "amqps://u:p@h/"
	set, err = s.resolve(caddy.NewReplacer())
	require.NoError(t, err)
	require.Equal(t, "PLAIN", set.config().SASL[0].Mechanism(), "who names a user means it")
}

func TestBadAddressesAreRefusedWithoutBeingQuoted(t *testing.T) {
	for _, address := range []string{"", "amqp://", "amqp:///v", "127.0.0.1:5672", "ftp://s3cret@h/", "amqp://u:s3cret@h:port/", "amqp://u:s3%zzcret@h/",
		"amqp://u:s3cret@h/?heartbeat=1", "amqp://u:s3cret@h/#f", "amqp://u s3cret@h/ "} {
		err := checkAddress(address)
		require.Error(t, err, address)
		require.NotContains(t, err.Error(), "cret")
	}
	for _, address := range []string{"amqp://u:{env.CALLTAP_NOT_SET}@h/", "amqp://{env.CALLTAP_NOT_SET}/", "{env.CALLTAP_NOT_SET}"} {
		_, err := resolveAddress(address, caddy.NewReplacer())
		require.ErrorContains(t, err, "{env.CALLTAP_NOT_SET}")
	}
}

func TestRedactionFindsThePasswordInEveryForm(t *testing.T) {
	require.Equal(t, "dial amqp://u:xxxxx@h and xxxxx", redact("dial amqp://u:p%40ss@h and p@ss", "p@ss"))
	require.Equal(t, "as it was", redact("as it was", ""))
}

func TestSettingsThatDifferInThePasswordAloneAreTwoTaps(t *testing.T) {
	s := &Source{}
	require.NoError(t, s.Provision(caddy.Context{}))
	keys := map[poolKey]bool{}
	for _, s.URL = range []string{"amqp://u:a@h/", "amqp://u:b@h/", "amqp://u:a@h/v"} {
		set, err := s.resolve(caddy.NewReplacer())
		require.NoError(t, err)
		keys[set.key()] = true
	}
	require.Len(t, keys, 3)
	s.URL = "amqp://u:a@h/"
	again, err := s.resolve(caddy.NewReplacer())
	require.NoError(t, err)
	require.True(t, keys[again.key()])
}

func TestBackoffGrowsAndIsBounded(t *testing.T) {
	b := backoff{waits: defaultWaits}
	for _, full := range []float64{0.5, 1, 2, 4, 8, 16, 30, 30} {
		wait := b.next().Seconds()
		require.GreaterOrEqual(t, wait, full/2)
		require.LessOrEqual(t, wait, full)
	}
	for range 100 {
		require.LessOrEqual(t, b.next(), defaultWaits.longest)
	}
	b.reset()
	require.LessOrEqual(t, b.next(), defaultWaits.first)
}

func TestTroubleThatPassesIsNoReasonToWaitLong(t *testing.T) {
	s := settings{URI: amqp.URI{Vhost: "/", Username: "guest", Host: "broker.example"}, Queue: "tap."}
	for _, c := range []struct {
		doing    string
		exchange string
		err      error
		lasting  bool
		advice   string
	}{
		{connecting, "", errors.New("connection refused"), false, ""},
		{connecting, "", amqp.ErrCredentials, false, ""}, // made up by the library when the socket closes
		{connecting, "", amqp.ErrVhost, false, ""},
		{connecting, "", &amqp.Error{Code: 403, Reason: "ACCESS_REFUSED - Login was refused", Server: true}, true, "guest may log in from the broker's own machine only"},
		{connecting, "", &amqp.Error{Code: 530, Reason: "NOT_ALLOWED - vhost x not found", Server: true}, true, "add_vhost"},
		{declaring, "", &amqp.Error{Code: 403, Server: true}, true, "set_permissions -p '/' 'guest'"},
		{binding("nova"), "nova", &amqp.Error{Code: 404, Server: true}, true, `has no exchange "nova"`},
		{consuming, "", &amqp.Error{Code: 320, Reason: "CONNECTION_FORCED", Server: true}, false, ""},
		{consuming, "", &amqp.Error{Code: 541, Server: true}, false, "248 bytes"},
		{consuming, "", &amqp.Error{Code: 501, Reason: amqp.ErrFrameTooLarge.Error()}, false, "headers of some 128 KiB"},
		{consuming, "", &amqp.Error{Code: 501, Reason: "read tcp 127.0.0.1:1->127.0.0.1:2: read: connection reset by peer"}, false, ""},
		{consuming, "", &amqp.Error{Code: 501, Reason: "unexpected EOF"}, false, ""},
		{consuming, "", amqp.ErrClosed, false, ""},
	} {
		tr := s.diagnose(c.doing, c.exchange, c.err)
		require.Equal(t, c.lasting, tr.lasting, "%v", c.err)
		require.Contains(t, tr.advice, c.advice)
		require.Equal(t, c.advice == "", tr.advice == "", "%v: %s", c.err, tr.advice)
		require.ErrorContains(t, tr, c.doing+": ")
	}
}

func TestAProblemIsTheSameWhateverChanceAdds(t *testing.T) {
	s := settings{Queue: "tap.", Host: "host"}
	for _, texts := range [][2]string{
		{"configure access to queue 'tap.host.0a1b2c3d' in vhost '/' refused", "configure access to queue 'tap.host.ffffffff' in vhost '/' refused"},
		{"read tcp 127.0.0.1:43732->127.0.0.1:5672: i/o timeout", "read tcp 127.0.0.1:49366->127.0.0.1:5672: i/o timeout"},
		{"tap.host.0a", "tap.host.0b"},
	} {
		require.Equal(t, s.withoutChance(texts[0]), s.withoutChance(texts[1]))
	}
	require.NotEqual(t, s.withoutChance("queue 'tap.host.0a1b2c3d' refused"), s.withoutChance("queue 'tap.host.0a1b2c3d' in use"))
	require.NotEqual(t, s.withoutChance("dial tcp 127.0.0.1:1: refused"), s.withoutChance("dial tcp 127.0.0.1:2: refused"))
}
