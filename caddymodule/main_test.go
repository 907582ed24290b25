package caddymodule

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "calltap-caddy")
	if err != nil {
		panic(err)
	}
	// Caddy writes its autosave, certificates and locks below these.
	os.Setenv("XDG_CONFIG_HOME", dir)
	os.Setenv("XDG_DATA_HOME", dir)
	goleak.VerifyTestMain(m,
		goleak.Cleanup(func(code int) { os.RemoveAll(dir); os.Exit(code) }),
		// Caddy and its libraries start these once a process and never stop them.
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.(*Cache).maintainAssets"),
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"),
		goleak.IgnoreAnyFunction("go.opencensus.io/stats/view.(*worker).start"),
		goleak.IgnoreAnyFunction("github.com/golang/glog.(*fileSink).flushDaemon"),
	)
}
