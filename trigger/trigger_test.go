package trigger

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/sampling"
	"github.com/calltap/calltap/span"
)

var (
	now = time.Unix(1_795_200_000, 0)
	key = []byte("a key of 24 bytes, or so")
	old = []byte("the key that was in use before")
)

// Made by osprofiler 4.4.0 with the key SECRET_KEY and both ids the same.
const (
	knownInfo = "eyJiYXNlX2lkIjogIjExMTExMTExLTIyMjItMzMzMy00NDQ0LTU1NTU1NTU1NTU1NSIsICJwYXJlbnRfaWQiOiAiMTExMTExMTEtMjIyMi0zMzMzLTQ0NDQtNTU1NTU1NTU1NTU1In0="
	knownMAC  = "3ce8715d353f58e1c48fc8bd4ce1fa56e0e945df"
)

func newTestChecker(rate *sampling.Bucket) (*Checker, *Guard) {
	g := new(Guard)
	return NewChecker(Keys{OSProfiler: [][]byte{[]byte("other"), []byte("SECRET_KEY")}, Own: [][]byte{old, key}}, rate, g), g
}

func TestOSProfilersOwnVector(t *testing.T) {
	c, g := newTestChecker(nil)
	got, v := c.Check(Headers{Info: []string{knownInfo}, MAC: []string{knownMAC}}, now)
	require.Equal(t, Valid, v)
	require.Equal(t, Trace{ID: span.TraceID{High: 0x1111111122223333, Low: 0x4444555555555555}}, got, "base_id is parent_id, so it is the root")
	require.EqualValues(t, 1, g.Counts[Valid].Load())
}

// signInfo does what osprofiler does.
func signInfo(key, object string) Headers {
	info := base64.URLEncoding.EncodeToString([]byte(object))
	h := hmac.New(sha1.New, []byte(key))
	h.Write([]byte(info))
	return Headers{Info: []string{info}, MAC: []string{hex.EncodeToString(h.Sum(nil))}}
}

// The cases that osprofiler's middleware was seen to take and to reject.
func TestOSProfilersHeadersAreJudgedAsItsMiddlewareDoes(t *testing.T) {
	const base, parent = "0f0e0d0c-0b0a-0908-0706-050403020100", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
	both := `{"base_id": "` + base + `", "parent_id": "` + parent + `"}`
	trace := span.TraceID{High: 0x0f0e0d0c0b0a0908, Low: 0x0706050403020100}
	for name, x := range map[string]struct {
		in   Headers
		want Verdict
		got  Trace
	}{
		"first key":       {signInfo("other", both), Valid, Trace{trace, 0xddddeeeeeeeeeeee}},
		"second key":      {signInfo("SECRET_KEY", both), Valid, Trace{trace, 0xddddeeeeeeeeeeee}},
		"no parent":       {signInfo("other", `{"base_id": "`+base+`"}`), Valid, Trace{ID: trace}},
		"wrong key":       {signInfo("SECRET_KEZ", both), Forged, Trace{}},
		"no base":         {signInfo("other", `{"parent_id": "`+parent+`"}`), Malformed, Trace{}},
		"one more member": {signInfo("other", both[:len(both)-1]+`, "x": 1}`), Malformed, Trace{}},
		"another member":  {signInfo("other", `{"base_id": "`+base+`", "hmac_key": "x"}`), Malformed, Trace{}},
		"no UUID":         {signInfo("other", `{"base_id": "zero", "parent_id": "`+parent+`"}`), Malformed, Trace{}},
		"zero":            {signInfo("other", `{"base_id": "`+strings.Repeat("0", 32)+`", "parent_id": "`+parent+`"}`), Malformed, Trace{}},
		"a number":        {signInfo("other", `{"base_id": 17, "parent_id": "`+parent+`"}`), Malformed, Trace{}},
		"a list":          {signInfo("other", `["`+base+`", "`+parent+`"]`), Malformed, Trace{}},
		"too long":        {signInfo("other", both+strings.Repeat(" ", 4096)), Malformed, Trace{}},
		"no mac":          {Headers{Info: []string{knownInfo}}, None, Trace{}},
		"twice":           {Headers{Info: []string{knownInfo, knownInfo}, MAC: []string{knownMAC}}, Malformed, Trace{}},
		"short mac":       {Headers{Info: []string{knownInfo}, MAC: []string{knownMAC[1:]}}, Malformed, Trace{}},
		"mac of no hex":   {Headers{Info: []string{knownInfo}, MAC: []string{strings.Repeat("g", 40)}}, Malformed, Trace{}},
		"pickle":          {Headers{Info: []string{"KEkyOTA4NjE3NjAwNTAzNTEKSTc5MTE0OTQzOTUzNTM3MjYKdHAwCi4="}, MAC: []string{knownMAC}}, Forged, Trace{}},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := newTestChecker(nil)
			got, v := c.Check(x.in, now)
			require.Equal(t, x.want.String(), v.String())
			require.Equal(t, x.got, got)
		})
	}
}

func TestATriggerIsTakenOnceUntilItExpires(t *testing.T) {
	c, g := newTestChecker(nil)
	value, id, err := Make(key, now, now.Add(5*time.Minute))
	require.NoError(t, err)
	h := Headers{Own: []string{value}}
	got, v := c.Check(h, now)
	require.Equal(t, Valid, v)
	require.Equal(t, Trace{ID: id}, got)
	_, v = c.Check(h, now)
	require.Equal(t, Replayed, v)
	again := NewChecker(Keys{Own: [][]byte{key}}, nil, g)
	_, v = again.Check(h, now.Add(299*time.Second))
	require.Equal(t, Replayed, v, "another configuration does not make it good again")
	_, v = again.Check(h, now.Add(300*time.Second))
	require.Equal(t, Expired, v)
	require.EqualValues(t, 2, g.Counts[Replayed].Load())
}

func TestKeysCanBeChangedOneAfterTheOther(t *testing.T) {
	c, _ := newTestChecker(nil)
	for _, k := range [][]byte{old, key} {
		value, _, err := Make(k, now, now.Add(time.Minute))
		require.NoError(t, err)
		_, v := c.Check(Headers{Own: []string{value}}, now)
		require.Equal(t, Valid, v)
	}
}

// Whatever byte of a trigger is changed, it is not valid any more.
func TestNoByteOfATriggerCanBeChanged(t *testing.T) {
	value, _, err := Make(key, now, now.Add(time.Minute))
	require.NoError(t, err)
	c, _ := newTestChecker(nil)
	for i := range value {
		for _, with := range []byte{'0', 'f', ';', 0, 0xff, value[i] ^ 1} {
			if with == value[i] {
				continue
			}
			_, v := c.Check(Headers{Own: []string{value[:i] + string([]byte{with}) + value[i+1:]}}, now)
			require.Contains(t, []Verdict{Malformed, Forged}, v, "byte %d as %q", i, with)
		}
		_, v := c.Check(Headers{Own: []string{value[:i]}}, now)
		require.Equal(t, Malformed, v, "cut at %d", i)
	}
	_, v := c.Check(Headers{Own: []string{value}}, now)
	require.Equal(t, Valid, v)
}

func TestATriggerFromTheFarFutureIsNotTaken(t *testing.T) {
	c, _ := newTestChecker(nil)
	value, _, err := Make(key, now.Add(2*time.Hour), now.Add(3*time.Hour))
	require.NoError(t, err)
	_, v := c.Check(Headers{Own: []string{value}}, now)
	require.Equal(t, Expired, v)
}

func TestForcedTracesAreLimited(t *testing.T) {
	c, g := newTestChecker(sampling.NewBucket(1, 3))
	for range 5 {
		value, _, err := Make(key, now, now.Add(time.Minute))
		require.NoError(t, err)
		c.Check(Headers{Own: []string{value}}, now)
		c.Check(Headers{Info: []string{knownInfo}, MAC: []string{knownMAC}}, now)
	}
	require.EqualValues(t, 3, g.Counts[Valid].Load())
	require.EqualValues(t, 7, g.Counts[Limited].Load())
}

func TestWithoutKeysNothingIsLookedAt(t *testing.T) {
	c := NewChecker(Keys{}, nil, new(Guard))
	value, _, err := Make(key, now, now.Add(time.Minute))
	require.NoError(t, err)
	_, v := c.Check(Headers{Own: []string{value}, Info: []string{knownInfo}, MAC: []string{knownMAC}}, now)
	require.Equal(t, None, v)
}

func TestTheGuardIsBounded(t *testing.T) {
	var s seen
	all := sampling.NewBucket(1e9, 1<<30)
	n := 0
	for i := range maxSeen + 100 {
		if s.take(span.TraceID{Low: uint64(i) + 1}, now.Unix()+10, now, all) == taken {
			n++
		}
	}
	require.Equal(t, maxSeen, n)
	require.Equal(t, taken, s.take(span.TraceID{High: 1}, now.Unix()+100, now.Add(11*time.Second), all), "what has expired makes room")
	require.Len(t, s.until, 1)
}

func TestMakeRefusesWhatNobodyWouldTake(t *testing.T) {
	_, _, err := Make([]byte("short"), now, now.Add(time.Minute))
	require.ErrorContains(t, err, "at least 16")
	for _, life := range []time.Duration{0, -time.Minute, MaxLife + time.Second} {
		_, _, err = Make(key, now, now.Add(life))
		require.Error(t, err, "%s", life)
	}
}

func FuzzTrigger(f *testing.F) {
	// Made with key; the workers of the fuzzer, being processes of their own, must agree on it.
	const value = "v1;exp=1795200060;id=86fce24da3877bd92bdff811eb2a1558;mac=f8bf12e7fbb06ea6241fcd6fb79f9a7092d212ebc4ac11e4d4b0f774e37602e4"
	f.Add(value, knownInfo, knownMAC)
	f.Add("v1;exp=;id=;mac=", "e30=", strings.Repeat("0", 40))
	f.Add(strings.Repeat("v1;exp=9", 20), strings.Repeat("A", 512), strings.Repeat("f", 40))
	f.Fuzz(func(t *testing.T, own, info, mac string) {
		c, _ := newTestChecker(nil)
		if _, v := c.Check(Headers{Own: []string{own}}, now); v == Valid && !strings.EqualFold(own, value) {
			t.Fatalf("%q is valid, and we did not make it", own)
		}
		if _, v := c.Check(Headers{Info: []string{info}, MAC: []string{mac}}, now); v == Valid && !strings.EqualFold(mac, knownMAC) {
			t.Fatalf("%q is valid with %q", info, mac)
		}
		parseInfo(info)
		cutOwn([]string{own})
	})
}
