package amqptap

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/amqptap/management"
)

// kennel drives a watchdog with the default limits by a clock of its own.
type kennel struct {
	watchdog
	now time.Time
}

func newKennel(w Watchdog) *kennel {
	return &kennel{watchdog: watchdog{Watchdog: *w.withDefaults()}, now: time.Unix(1e9, 0)}
}

// pass lets so much time pass with the same vitals, looking once a second, and says after how many seconds held changed first.
func (k *kennel) pass(d time.Duration, v vitals) time.Duration {
	for began, end := k.now, k.now.Add(d); k.now.Before(end); {
		k.now = k.now.Add(time.Second)
		if k.observe(k.now, v) {
			return k.now.Sub(began)
		}
	}
	return 0
}

var (
	well    = vitals{}
	behind  = vitals{lag: 6 * time.Second}
	full    = vitals{fill: 0.6}
	alarmed = vitals{alarms: []management.Alarm{{Node: "rabbit@a", Resource: "memory"}}}
)

func TestTheWatchdogBitesOnlyWhatLasts(t *testing.T) {
	k := newKennel(Watchdog{})
	require.Zero(t, k.pass(time.Hour, well))
	for range 100 { // a spike each ten seconds
		require.Zero(t, k.pass(9*time.Second, behind))
		require.Zero(t, k.pass(time.Second, well))
	}
	require.Equal(t, 11*time.Second, k.pass(time.Minute, full), "ten seconds after it was first seen")
	require.Equal(t, "the tap's queue is 60 % full, above 50 %", k.why)

	k = newKennel(Watchdog{})
	require.Zero(t, k.pass(6*time.Second, behind))
	require.Equal(t, 5*time.Second, k.pass(time.Minute, full), "one limit or the other, without a pause between")
}

func TestTheWatchdogLetsGoWithRoomToSpare(t *testing.T) {
	k := newKennel(Watchdog{})
	require.NotZero(t, k.pass(time.Minute, behind))
	require.Equal(t, 30*time.Second, k.pass(time.Hour, well), "not before the pause is over")

	require.NotZero(t, k.pass(time.Minute, full))
	require.Zero(t, k.pass(time.Hour, vitals{fill: 0.3}), "it is below the limit, but not by half")
	require.Equal(t, time.Second, k.pass(time.Hour, vitals{fill: 0.2}))
	require.Zero(t, k.pass(time.Hour, vitals{fill: 0.3}))
}

func TestAWatchdogThatBitesAgainPausesLonger(t *testing.T) {
	k := newKennel(Watchdog{})
	for _, pause := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 10 * time.Minute, 10 * time.Minute} {
		require.Equal(t, 11*time.Second, k.pass(time.Hour, behind))
		require.Equal(t, pause, k.pass(time.Hour, well))
	}
	require.Zero(t, k.pass(5*time.Minute, well))
	require.NotZero(t, k.pass(time.Hour, behind))
	require.Equal(t, 30*time.Second, k.pass(time.Hour, well), "all was well for ten pauses")
	require.EqualValues(t, 8, k.trips)
}

func TestAlarmsCountAtOnceAndAlsoWithoutAWatchdog(t *testing.T) {
	for _, w := range []Watchdog{{}, {Off: true}} {
		k := newKennel(w)
		require.Equal(t, time.Second, k.pass(time.Hour, alarmed))
		require.Equal(t, "memory alarm of rabbit@a", k.why)
		require.Zero(t, k.pass(time.Hour, alarmed), "it bit though the alarm lasts")
		require.NotZero(t, k.pass(time.Hour, well))
	}
	k := newKennel(Watchdog{Off: true})
	require.Zero(t, k.pass(time.Hour, vitals{lag: time.Hour, fill: 1}))
	require.Equal(t, "off", k.status().State)
}

func TestRates(t *testing.T) {
	var r rates
	now := time.Unix(1e9, 0)
	require.Equal(t, Rates{}, r.now())
	total := int64(0)
	for i := range 700 { // ten looks a second: 100 events a second for a minute, then none for ten seconds
		if i < 600 {
			total += 10
		}
		r.tick(now, total)
		now = now.Add(100 * time.Millisecond)
	}
	require.Zero(t, r.now().Second)
	require.InDelta(t, 50.0/60*100, r.now().Minute, 2)
}
