package keyrules_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
)

func TestSampleIsAShareOrAWord(t *testing.T) {
	for word, want := range map[string]*keyrules.Sampling{
		"0": {}, "1": {Share: 1}, "0.25": {Share: 0.25}, "1e-3": {Share: 0.001},
		"off": {Final: true}, "always": {Share: 1, Final: true}, "": nil,
	} {
		s := set(t, keyrules.Rule{Path: "/a", Key: "a", Sample: word}, keyrules.Rule{Kind: "rpc", Topic: "c", Key: "b", Sample: word})
		require.Equal(t, want, s.Resolve(get("GET", "/a")).Sample, word)
		require.Equal(t, want, s.Peek("GET", "h", "/a").Sample, word)
		require.Equal(t, want, s.Resolve(rpc("c", "m")).Sample, word)
		require.Equal(t, want, s.Sampling(rpc("c", "m")), word)
		require.Nil(t, s.Resolve(get("GET", "/b")).Sample)
		require.Nil(t, s.Sampling(rpc("d", "m")))
		require.Equal(t, word != "", s.Samples())
	}
	require.False(t, set(t, keyrules.Rule{Path: "/a", Key: "a", Sample: "1"}).Samples(), "not for RPC")
	for _, word := range []string{"1.1", "-0.1", "NaN", "Inf", "half", "10%", "on"} {
		_, err := keyrules.Compile(keyrules.Config{Rules: []keyrules.Rule{{Path: "/a", Sample: word, File: "F", Line: 3}}})
		require.ErrorContains(t, err, `F:3: sample "`+word+`": want a share from 0 to 1 such as 0.1, off or always`)
	}
	_, err := keyrules.Compile(keyrules.Config{Rules: []keyrules.Rule{{Ignore: true, Path: "/a", Sample: "off"}}})
	require.ErrorContains(t, err, "take them out")
}

// The decision goes out with the headers, so it is only made where no other rule may turn out to be the request's.
func TestPeekTellsNoShareThatIsUncertain(t *testing.T) {
	s := set(t,
		keyrules.Rule{Path: "/a/**", Statuses: []string{"5xx"}, Key: "a", Sample: "always"},
		keyrules.Rule{Path: "/a/x", Key: "b", Sample: "off"},
		keyrules.Rule{Path: "/h", Headers: []keyrules.Match{{Name: "X-Probe"}}, Key: "c", Sample: "off"},
		keyrules.Rule{Path: "/h", Key: "d", Sample: "0.5"},
		keyrules.Rule{Path: "/j", JSON: "reboot", Key: "e", Sample: "always"},
		keyrules.Rule{Use: "process_stack", Prefix: "nova", Sample: "0.1"},
	)
	require.Nil(t, s.Peek("GET", "h", "/a/x").Sample)
	require.Nil(t, s.Peek("GET", "h", "/h").Sample)
	probe := get("GET", "/h")
	probe.Header = lookup(map[string]string{"X-Probe": "1"}, nil)
	require.Equal(t, "off", s.PeekCall(probe).Sample.String())
	probe.Header = lookup(nil, nil)
	require.Equal(t, "0.5", s.PeekCall(probe).Sample.String())
	require.Nil(t, s.Peek("POST", "h", "/j").Sample)
	require.Equal(t, "0.1", s.Peek("GET", "h", "/j").Sample.String(), "a GET has no body")
	require.Equal(t, "0.1", s.Peek("GET", "h", "/v2/servers").Sample.String())
}

func TestTheSamplingOfARuleIsOneThing(t *testing.T) {
	s := set(t, keyrules.Rule{Path: "/a", Key: "a", Sample: "0.5"})
	site, err := s.With([]keyrules.Rule{{Path: "/b", Key: "b", Sample: "off"}})
	require.NoError(t, err)
	for range 3 { // worked out, and from the cache
		require.Same(t, site.Peek("GET", "h", "/a").Sample, site.Resolve(get("GET", "/a")).Sample)
		require.Same(t, site.Peek("GET", "h", "/b").Sample, site.Resolve(get("GET", "/b")).Sample)
	}
}

func TestExplainShowsTheSample(t *testing.T) {
	s := set(t, keyrules.Rule{Path: "/a", Key: "a", Sample: "0.50"}, keyrules.Rule{Path: "/b", Key: "b"})
	require.Equal(t, "0.5", s.Explain(get("GET", "/a")).Sample)
	require.Contains(t, s.Explain(get("GET", "/a")).String(), "\nsample    0.5\n")
	require.NotContains(t, s.Explain(get("GET", "/b")).String(), "sample")
}
