package caddymodule

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/stretchr/testify/require"
)

// If Caddy notes it no more, or elsewhere, the handlers before us are not in the span.
func TestASpanBeginsWhenCaddyTookTheRequest(t *testing.T) {
	before := time.Now()
	r := caddyRequest(httptest.NewRequest("GET", "/", nil), httptest.NewRecorder())
	after := time.Now()
	vars := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	require.IsType(t, time.Time{}, vars[startVar])
	for range 2 {
		m := begun(vars)
		require.GreaterOrEqual(t, m.mono, before.Sub(processBegan))
		require.LessOrEqual(t, m.mono, after.Sub(processBegan))
		require.GreaterOrEqual(t, m.wall, before.UnixMicro())
		require.LessOrEqual(t, m.wall, after.UnixMicro())
		require.GreaterOrEqual(t, m.passed(), time.Since(after))
	}
}

func TestASpanOutsideOfCaddyBeginsNow(t *testing.T) {
	for _, vars := range []map[string]any{nil, {}, {startVar: "noon"}} {
		before := time.Now()
		m := begun(vars)
		require.GreaterOrEqual(t, m.mono, before.Sub(processBegan))
		require.LessOrEqual(t, m.passed(), time.Since(before))
	}
}
