package control

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNothingIsChangedByNothing(t *testing.T) {
	var table Table
	require.Nil(t, table.Now())
	require.False(t, table.Now().Off("nova-api"))
	_, _, ok := table.Now().Share("nova-api", "GET", "/")
	require.False(t, ok)
	require.Empty(t, table.List())
}

func TestTheNarrowerSwitchHolds(t *testing.T) {
	var table Table
	require.NoError(t, table.Set(Switch{Do: Off}))
	require.NoError(t, table.Set(Switch{Do: Sample, Share: 0.5, Site: "nova-api"}))
	require.NoError(t, table.Set(Switch{Do: Off, Key: "nova.api.*.GET"}))
	require.NoError(t, table.Set(Switch{Do: Sample, Share: 1, Key: "nova.api.servers*", Site: "nova-api"}))
	s := table.Now()
	require.True(t, s.Off("glance-api"))
	require.False(t, s.Off("nova-api"))
	share, final, ok := s.Share("nova-api", "GET", "/")
	require.True(t, ok)
	require.False(t, final)
	require.Equal(t, 0.5, share)
	_, off, _ := s.Key("other", "nova.api.servers.show.GET")
	require.True(t, off)
	share, off, _ = s.Key("nova-api", "nova.api.servers.show.GET")
	require.False(t, off)
	require.Equal(t, 1.0, share)
	_, _, ok = s.Key("nova-api", "nova.api.images.POST")
	require.False(t, ok)

	require.NoError(t, table.Set(Switch{Do: On, Site: "nova-api"}))
	require.True(t, table.Now().Off("nova-api"), "it is all's again")
	require.NoError(t, table.Set(Switch{Do: On}))
	require.Nil(t, table.Now())
}

// Keys may overlap; what was said last is what is meant.
func TestOfKeysThatOverlapTheLaterSwitchHolds(t *testing.T) {
	for _, site := range []string{"", "nova-api"} {
		var table Table
		require.NoError(t, table.Set(Switch{Do: Off, Key: "nova.*", Site: site}))
		require.NoError(t, table.Set(Switch{Do: Sample, Share: 1, Key: "nova.api.*", Site: site}))
		share, off, ok := table.Now().Key("nova-api", "nova.api.servers.show.GET")
		require.True(t, ok)
		require.False(t, off, "site %q", site)
		require.Equal(t, 1.0, share)
		_, off, _ = table.Now().Key("nova-api", "nova.compute.reboot")
		require.True(t, off)
	}
}

func TestOnlyNarrows(t *testing.T) {
	var table Table
	require.NoError(t, table.Set(Switch{Do: Only, Match: "POST /v2.1/servers*"}))
	for _, x := range []struct {
		method, path string
		want         float64
	}{
		{"POST", "/v2.1/servers", 1}, {"POST", "/v2.1/servers/1/action", 1}, {"GET", "/v2.1/servers", 0}, {"POST", "/v2.1/flavors", 0},
	} {
		share, final, ok := table.Now().Share("any", x.method, x.path)
		require.True(t, ok && final)
		require.Equal(t, x.want, share, "%s %s", x.method, x.path)
	}
}

// A time limit ends by itself, with nobody asking.
func TestASwitchEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table Table
		defer table.Close()
		require.NoError(t, table.Set(Switch{Do: Off, Until: time.Now().Add(10 * time.Minute)}))
		require.NoError(t, table.Set(Switch{Do: Off, Site: "x", Until: time.Now().Add(5 * time.Minute)}))
		time.Sleep(5*time.Minute + time.Second)
		synctest.Wait()
		require.Len(t, table.Now().sites, 0)
		require.True(t, table.Now().Off("x"))
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		require.Nil(t, table.Now())
	})
}

func TestWrongSwitchesSayWhatToWrite(t *testing.T) {
	for want, s := range map[string]Switch{
		"want on, off, sample or only": {Do: "stop"},
		"a share from 0 to 1":          {Do: Sample, Share: 1.5},
		"want METHOD PATH":             {Do: Only, Match: "/v2.1/servers"},
		"over before it begins":        {Do: Off, Until: time.Unix(1, 0)},
		"at most 512 bytes":            {Do: Off, Key: strings.Repeat("a", 513)},
		"narrow it by METHOD PATH":     {Do: Only, Match: "GET /x", Key: "a"},
		"neither a share nor a match":  {Do: Off, Share: 0.5},
	} {
		var table Table
		require.ErrorContains(t, table.Set(s), want)
		require.Nil(t, table.Now())
	}
}

func TestTheTableIsBounded(t *testing.T) {
	var table Table
	for i := range maxSwitches {
		require.NoError(t, table.Set(Switch{Do: Off, Site: strings.Repeat("s", i+1)}))
	}
	require.ErrorContains(t, table.Set(Switch{Do: Off, Site: "one more"}), "256 switches already")
	require.NoError(t, table.Set(Switch{Do: Sample, Site: "s"}), "the same scope again")
}

func TestGlobs(t *testing.T) {
	for _, x := range []struct {
		pattern, text string
		want          bool
	}{
		{"a", "a", true}, {"a", "ab", false}, {"*", "", true}, {"*", "/x/y", true}, {"/x*", "/x", true}, {"/x*", "/y", false},
		{"a*b*c", "aXbYc", true}, {"a*b*c", "acb", false}, {"*.GET", "a.b.GET", true}, {"*.GET", "a.GETS", false}, {"a*a", "a", false},
		{"**", "x", true}, {"a**b", "ab", true},
	} {
		require.Equal(t, x.want, glob(x.pattern, x.text), "%s %s", x.pattern, x.text)
	}
}
