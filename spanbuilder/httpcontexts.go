package spanbuilder

import (
	"math/bits"
	"slices"
)

// Contexts says which trace headers of HTTP requests are read, which are removed and which are written. It is made
// once a site, and safe for concurrent use.
//
//	request ─► Look ─► nothing: a new trace, nothing to remove
//	             └───► Extract ─► StartServer ─► Clear ─► what Injects says is written
//
// Baggage is none of these headers; it passes.
type Contexts struct {
	extract []Format
	clear   Present
	inject  [NumFormats]bool

	sparesProfiler bool // an X-Trace-Info that is OSProfiler's is not removed as Tomograph's

	watched Present // headers that any of it is about
	lengths uint64  // of their names, a bit each
	thirds  uint64  // their third letters, likewise: the first of X-Auth-Token and many others is that of X-B3-TraceId
}

// ContextsConfig is what Contexts are made of. A nil list is the default, an empty one is none.
type ContextsConfig struct {
	Extract []Format // in this order; default: w3c, b3, b3_multi
	Clear   []Format // default: see defaultClear
	Inject  []Format // default: w3c, b3

	RequestID bool // X-OpenStack-Request-ID names a trace too
}

// The defaults. The three that are read are those that most programs understand; b3_multi is not written because who reads it
// reads b3 too.
var (
	defaultExtract = []Format{FormatW3C, FormatB3, FormatB3Multi}
	defaultInject  = []Format{FormatW3C, FormatB3}
)

// defaultClear is what is removed if nothing else is said: so that no next hop hangs off a span that is not ours, whatever
// is read or written, and the formats that are commonly understood. X-Trace-Info is left to its readers, which are not
// those of the other formats. Where nothing is written nothing is removed, or the next hop would know of no trace at all.
func defaultClear(extract, inject []Format) (clear []Format) {
	if len(inject) == 0 {
		return nil
	}
	for f := FormatW3C; f < formatCount; f++ {
		if f == FormatTomograph || f == FormatOSProfiler {
			continue
		}
		if slices.Contains(defaultExtract, f) || slices.Contains(extract, f) {
			clear = append(clear, f)
		}
	}
	return clear
}

// NewContexts compiles c.
func NewContexts(c ContextsConfig) *Contexts {
	if c.Extract == nil {
		c.Extract = defaultExtract
	}
	if c.Inject == nil {
		c.Inject = defaultInject
	}
	if c.Clear == nil {
		c.Clear = defaultClear(c.Extract, c.Inject)
	}
	x := &Contexts{extract: slices.Clone(c.Extract)}
	for _, f := range c.Extract {
		x.watched |= headersOf[f]
	}
	for _, f := range c.Clear {
		x.clear |= headersOf[f]
	}
	x.sparesProfiler = !slices.Contains(c.Clear, FormatOSProfiler)
	for _, f := range c.Inject {
		x.inject[f] = f.Writable()
		x.clear |= headersOf[f] // a parent or a flag that is not ours must not stand beside ours
	}
	x.watched |= x.clear
	for _, f := range c.Inject {
		x.clear &^= alwaysWritten[f]
	}
	if c.RequestID {
		x.watched |= hasRequestID
	}
	for i, name := range headerNames {
		if x.watched>>i&1 != 0 {
			x.lengths |= 1 << len(name)
			if len(name) > 2 {
				x.thirds |= 1 << (name[2] & 63)
			}
		}
	}
	return x
}

// Look returns which of the headers that matter are there. None is the answer for most requests that come from
// outside, so it is quick: in a small map it looks at each name, of which two bits sort out nearly all; one that is more
// than a group of Go's maps, 8, it asks for each name that is watched.
func (c *Contexts) Look(h map[string][]string) (p Present) {
	if len(h) > 8 {
		return c.ask(h)
	}
	lengths, thirds := c.lengths, c.thirds
	for name := range h {
		if n := len(name); n < 64 && lengths>>n&1 != 0 && (n < 3 || thirds>>(name[2]&63)&1 != 0) {
			p |= bitOf(name)
		}
	}
	return p & c.watched
}

// ask is Look by lookups.
func (c *Contexts) ask(h map[string][]string) (p Present) {
	for left := c.watched; left != 0; left &= left - 1 {
		i := bits.TrailingZeros32(uint32(left))
		if _, ok := h[headerNames[i]]; ok {
			p |= 1 << i
		}
	}
	return p
}

func bitOf(name string) Present {
	for i, known := range headerNames {
		if known == name {
			return 1 << i
		}
	}
	return 0
}

// HasRequestID reports whether X-OpenStack-Request-ID may be there.
func (p Present) HasRequestID() bool { return p&hasRequestID != 0 }

// Faults are what was wrong with each format's headers.
type Faults [NumFormats]Fault

// Extract reads the trace context of a request, whose headers are p: that of the first format, in the configured order, that is
// there and well-formed. from is NoFormat if there is none. The context holds ids, or a sampling decision alone. The map's keys
// must be in canonical form, as net/http makes them.
//
// A fault does not exclude a context: a later format may have been good. It does not allocate, save to shorten or to join a tracestate.
func (c *Contexts) Extract(h map[string][]string, p Present) (in Context, from Format, faults Faults) {
	for _, f := range c.extract {
		if p&headersOf[f] == 0 {
			continue
		}
		got, ok, fault := readFormat(f, h)
		faults[f] = fault
		if ok {
			if f != FormatW3C && p&hasTraceparent != 0 && slices.Contains(c.extract, FormatW3C) {
				got.addBeside(h)
			}
			return got, f, faults
		}
	}
	return Context{}, NoFormat, faults
}

func readFormat(f Format, h map[string][]string) (Context, bool, Fault) {
	switch f {
	case FormatW3C:
		c, ok, fault := readOne(h["Traceparent"], ParseTraceparent)
		if ok {
			c.State = joinState(h["Tracestate"])
		}
		return c, ok, fault
	case FormatB3:
		return readOne(h["B3"], ParseB3)
	case FormatB3Multi:
		return readMulti(h)
	case FormatTomograph:
		v := h["X-Trace-Info"]
		if len(v) > 0 && isProfilerInfo(v[0]) {
			return Context{}, false, NoFault // another tool's header of the same name
		}
		return readOne(v, ParseTomograph)
	case FormatUber:
		return readOne(h["Uber-Trace-Id"], ParseUberTraceID)
	case FormatSW8:
		return readOne(h["Sw8"], ParseSW8)
	case FormatDatadog:
		return readDatadog(h)
	}
	return Context{}, false, NoFault
}

// readOne reads a format of one header. Sent twice nobody knows which is meant.
func readOne(v []string, parse func(string) (Context, Fault)) (Context, bool, Fault) {
	switch len(v) {
	case 0:
		return Context{}, false, NoFault
	case 1:
		c, fault := parse(v[0])
		return c, fault == NoFault, fault
	}
	return Context{}, false, RepeatedField
}

// readMulti reads the X-B3-* headers.
func readMulti(h map[string][]string) (Context, bool, Fault) {
	trace, id, sampled, flags := h["X-B3-Traceid"], h["X-B3-Spanid"], h["X-B3-Sampled"], h["X-B3-Flags"]
	if len(trace) > 1 || len(id) > 1 || len(sampled) > 1 || len(flags) > 1 {
		return Context{}, false, RepeatedField
	}
	return parseMulti(first(trace), first(id), first(sampled), first(flags))
}

// addBeside adds to a context of another format what only the W3C headers beside it say: if their traceparent names the same trace, as
// in meshes that send several formats, its tracestate and its flag go on with it.
func (c *Context) addBeside(h map[string][]string) {
	beside, ok, _ := readOne(h["Traceparent"], ParseTraceparent)
	if ok && beside.TraceID == c.TraceID {
		c.State, c.Random = joinState(h["Tracestate"]), beside.Random
	}
}

// Clear removes what is not to reach the next hop from the headers p of a request, but for what is replaced right after: traceparent, b3,
// and the ids of X-B3-*, where they are injected. continued is the context that the request goes on with, zero if its trace is
// new: W3C wants tracestate passed on with a continued traceparent, and dropped otherwise, as also where no traceparent is written.
func (c *Contexts) Clear(h map[string][]string, p Present, continued Context) {
	gone := p & c.clear &^ hasTracestate
	if gone&hasTraceInfo != 0 && c.sparesProfiler && allProfilerInfo(h["X-Trace-Info"]) {
		gone &^= hasTraceInfo
	}
	for ; gone != 0; gone &= gone - 1 {
		delete(h, headerNames[bits.TrailingZeros32(uint32(gone))])
	}
	switch {
	case p&c.clear&hasTracestate == 0:
	case c.inject[FormatW3C]:
		passState(h, continued.State)
	default:
		delete(h, "Tracestate")
	}
}

// Injects reports whether the next hop gets headers of that format.
func (c *Contexts) Injects(f Format) bool { return c.inject[f] }
