package config

import (
	"os"
	"path/filepath"
	"testing"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
	"github.com/stretchr/testify/require"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func TestHandlersAreFoundWhereverTheyNest(t *testing.T) {
	c, err := Read(write(t, "c.json", `{"apps": {"calltap": {"link": "openstack"}, "http": {"servers": {
		"b": {"routes": [{"handle": [{"handler": "subroute", "routes": [{"handle": [{"handler": "calltap", "service": "inner"}]}]}]}]},
		"a": {"errors": {"routes": [{"handle": [{"handler": "calltap", "service": "errors",
			"rules": [{"methods": ["GET"], "key": "x"}]}]}]}}}}}}`), "")
	require.NoError(t, err)
	require.Equal(t, "openstack", c.Link)
	require.Len(t, c.Sites, 2)
	require.Equal(t, "errors", c.Sites[0].Service)
	require.Equal(t, "x", c.Sites[0].Rules[0].Key)
	require.Equal(t, "inner", c.Sites[1].Service)
}

func TestAHandlerOfAWrongShapeIsAnError(t *testing.T) {
	_, err := Read(write(t, "c.json", `{"apps": {"calltap": {}, "http": [{"handler": "calltap", "service": 7}]}}`), "")
	require.ErrorContains(t, err, "c.json: reading the configuration")
}

// The name of a Caddyfile says what it is, as it does to Caddy's own commands.
func TestTheAdapterFollowsFromTheName(t *testing.T) {
	for _, name := range []string{"Caddyfile", "Caddyfile.dev", "site.caddyfile"} {
		_, err := Read(write(t, name, "respond {\n"), "")
		require.ErrorContains(t, err, "adapting the configuration", name)
	}
	for _, name := range []string{"caddyfile.json", "config"} {
		_, err := Read(write(t, name, "respond {\n"), "")
		require.ErrorContains(t, err, name+": reading the configuration", name)
	}
}

func TestTheSiteIsTheNamedOrTheOnlyOne(t *testing.T) {
	none, one, two := Config{}, Config{Sites: []Site{{Service: "a"}}}, Config{Sites: []Site{{Service: "a"}, {Service: "b"}}}
	for _, c := range []struct {
		config        Config
		service, want string
	}{{none, "", ""}, {none, "x", "x"}, {one, "", "a"}, {two, "", ""}, {two, "b", "b"}} {
		site, err := c.config.Site(c.service)
		require.NoError(t, err)
		require.Equal(t, c.want, site.Service)
	}
	_, err := two.Site("c")
	require.EqualError(t, err, `no site has the service "c"; there are: a, b`)
}
