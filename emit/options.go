package emit

import (
	"runtime"
	"time"

	"github.com/calltap/calltap/span"
)

// Options bounds a Pipeline. The zero value is the default.
type Options struct {
	// MaxSpans is the largest number of spans that may wait for one emitter, from Offer until they
	// are sent. Default 65,536, least 16. An emitter that falls behind by more loses the oldest.
	MaxSpans int
	// MaxBytes bounds the same spans by their estimated size in memory. Default 64 MiB, least 1 MiB.
	// Emitters share the memory of a span, so this is also about what one dead emitter costs.
	MaxBytes int
	// MaxBatch is the largest number of spans in one call of Emit. Default 1,000.
	MaxBatch int
	// Interval is how long a span may lie in the buffer before it goes to the queues, and so the
	// longest delay that the pipeline itself adds. Default 100 ms. Under load it is a quarter of that.
	Interval time.Duration
	// OnTrouble is told when an emitter begins to fail, again every minute while it goes on, and,
	// with nil, when it works again. err holds no secret. It is called on the pipeline's goroutine
	// and must not block or call the pipeline.
	OnTrouble func(emitter string, err error)
}

// limits is Options worked out: a quarter for the buffer, the rest for the queue, so that the two
// together, and what is in the emitter's hands, never exceed what the operator allowed.
type limits struct {
	shards     int // a power of two
	shardSpans int
	shardBytes int
	queueSpans int
	queueBytes int
	batch      int
	interval   time.Duration
}

func (o Options) limits() limits {
	maxSpans := atLeast(o.MaxSpans, 65_536, 16)
	maxBytes := atLeast(o.MaxBytes, 64<<20, 1<<20)
	bufSpans, bufBytes := maxSpans/4, maxBytes/4

	// Two shards a processor make a collision rare; but each must take the largest span there is,
	// and its share of the spans must not become a limit that chance alone would hit.
	shards := 1
	for shards < 2*runtime.GOMAXPROCS(0) && bufSpans/(2*shards) >= 256 && bufBytes/(2*shards) >= 2*span.MaxSize {
		shards *= 2
	}
	lim := limits{
		shards:     shards,
		shardSpans: bufSpans / shards,
		shardBytes: bufBytes / shards,
		queueSpans: maxSpans - bufSpans,
		queueBytes: maxBytes - bufBytes,
		interval:   o.Interval,
	}
	lim.batch = min(atLeast(o.MaxBatch, 1000, 1), lim.queueSpans/2)
	if lim.interval <= 0 {
		lim.interval = 100 * time.Millisecond
	}
	return lim
}

// busy is how many spans in an interval are load: some thousands a second. Below that a short pause would only make more requests to
// the sinks of less each.
const busy = 256

// pause is how long to wait after one of that length that brought so many spans.
func (lim *limits) pause(last time.Duration, moved int) time.Duration {
	if time.Duration(moved) >= busy*last/lim.interval {
		return max(lim.interval/4, 1)
	}
	return lim.interval
}

// atLeast returns n, the default if n is not set, and never less than least.
func atLeast(n, def, least int) int {
	if n <= 0 {
		n = def
	}
	return max(n, least)
}
