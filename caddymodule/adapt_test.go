package caddymodule

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the JSON of the golden files anew")

const divider = "----------\n"

// As in Caddy's own caddyfile_adapt: a Caddyfile, a divider, and the JSON or a part of the error.
func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".caddyfiletest"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			caddyfile, want, _ := strings.Cut(string(text), divider)
			got, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
			if strings.HasPrefix(filepath.Base(file), "error_") {
				require.ErrorContains(t, err, strings.TrimSpace(want))
				require.NotEmpty(t, strings.TrimSpace(want))
				return
			}
			require.NoError(t, err)
			var pretty bytes.Buffer
			require.NoError(t, json.Indent(&pretty, got, "", "\t"))
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(caddyfile+divider+pretty.String()+"\n"), 0o644))
				return
			}
			require.Equal(t, strings.TrimSpace(want), pretty.String())
			validate(t, got)
		})
	}
}

// validate does what `caddy validate` does.
func validate(t *testing.T, config []byte) {
	t.Setenv("ZIPKIN", "127.0.0.1:9411")
	t.Setenv("TOKEN", "secret")
	t.Setenv("PROFILE_KEY", "secret")
	t.Setenv("TRIGGER_KEY", "sixteen bytes or more")
	var c caddy.Config
	require.NoError(t, caddy.StrictUnmarshalJSON(config, &c))
	require.NoError(t, caddy.Validate(&c))
}

// What an operator gets wrong is said at load, without the values of placeholders.
func TestLoadErrorsNameTheFix(t *testing.T) {
	t.Setenv("SECRET", "hunter2")
	for config, want := range map[string]string{
		`{}`:                         "calltap has no sink: add at least one of zipkin, statsd, log, store",
		`{"store":{},"sample":-1}`:   "sample: -1 is no share from 0 to 1",
		`{"store":{},"link":"x"}`:    "link: unknown way 'x', there is only 'openstack'",
		`{"store":{"max_spans":-1}}`: "must not be below zero",
		`{"zipkin":{}}`:              "zipkin url: missing",
		`{"zipkin":{"url":"http://{env.NO_SUCH_VARIABLE}/"}}`:                                     "env.NO_SUCH_VARIABLE",
		`{"zipkin":{"url":"{env.SECRET}"}}`:                                                       "zipkin: ",
		`{"zipkin":{"url":"http://u:{env.SECRET}@h:x/p"}}`:                                        "zipkin: ",
		`{"zipkin":{"url":"http://127.0.0.1:9411"}}`:                                              "/api/v2/spans",
		`{"zipkin":{"url":"http://127.0.0.1:9411/api/v2/spans","compression":"{env.SECRET}"}}`:    "zipkin: unknown compression",
		`{"zipkin":{"url":"http://127.0.0.1:9411/api/v2/spans","header":{"A b":"{env.SECRET}"}}}`: "is not a header's name",
		`{"statsd":{"address":"127.0.0.1"}}`:                                                      "HOST:PORT",
		`{"statsd":{}}`:                                                                           "statsd address: missing",
		`{"log":{}}`:                                                                              "log output: missing",
		`{"log":{"output":"/tmp/"}}`:                                                              "is a directory",
		`{"store":{},"trusted_proxies":["10.0.0.0/33"]}`:                                          "'10.0.0.0/33' is no address",
		`{"store":{},"sources":[{"source":"nope"}]}`:                                              "calltap.sources.nope",
		`{"store":{},"sources":[{"source":"fake","fail":"provision"}]}`:                           "told to fail",
		`{"store":{},"keys":{"rules":[{"kind":"http","path":"x","file":"F","line":7}]}}`:          "F:7",
		`{"store":{},"no_such_field":1}`:                                                          "no_such_field",
	} {
		var c caddy.Config
		require.NoError(t, caddy.StrictUnmarshalJSON([]byte(`{"admin":{"disabled":true},"apps":{"calltap":`+config+`}}`), &c))
		err := caddy.Validate(&c)
		require.ErrorContains(t, err, want, config)
		require.NotContains(t, err.Error(), "hunter2", config)
	}
}

func TestHandlerWithoutAppNamesTheCure(t *testing.T) {
	var c caddy.Config
	require.NoError(t, caddy.StrictUnmarshalJSON([]byte(`{"admin":{"disabled":true},"apps":{"http":{"servers":{"s":{
		"listen":["127.0.0.1:0"],"routes":[{"handle":[{"handler":"calltap"}]}]}}}}}`), &c))
	require.ErrorContains(t, caddy.Validate(&c), "add the global option 'calltap' with at least one of zipkin, statsd, log, store")
}
