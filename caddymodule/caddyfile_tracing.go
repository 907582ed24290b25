package caddymodule

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/calltap/calltap/internal/words"
)

// words are those that the global option and the directive have in common:
//
//	extract none | w3c|b3|b3_multi|tomograph|osprofiler|uber|sw8|datadog...
//	clear   none | <form>...
//	inject  none | w3c|b3|b3_multi...
//	trusted_proxies none | <private_ranges|cidr|address>...
//	sample <0..1>
//	sample rate <n>/s [burst <n>]
//	sample parent on|off
//	keep_errors [on|off]
//	keep_status none | <status|class>...
//	keep_slower off | <duration>
//	upstream_spans [on|off|own]
//	tag <name> <value> [on <status|class>...]
//	query {
//	    keep   <name>...
//	    redact <name>...
//	    hash   <name>...
//	}
//	response_header <name>
//
// What they mean stands at the fields of Tracing.
func (t *Tracing) words() words.Block {
	return words.Block{
		"extract":         t.parseForms(&t.Extract),
		"clear":           t.parseForms(&t.Clear),
		"inject":          t.parseForms(&t.Inject),
		"trusted_proxies": t.parseTrust,
		"sample":          t.parseSample,
		"keep_errors":     parseSwitch(&t.KeepErrors),
		"keep_status":     t.parseKeepStatus,
		"keep_slower":     t.parseKeepSlower,
		"upstream_spans":  t.parseUpstreamSpans,
		"tag":             t.parseTag,
		"query":           t.parseQuery,
		"response_header": t.checked(once(&t.ResponseHeader)),
	}
}

// with adds the words of more to those of b.
func with(b, more words.Block) words.Block {
	maps.Copy(b, more)
	return b
}

// checked tells a wrong value at its place.
func (t *Tracing) checked(parse words.Setter) words.Setter {
	return func(d *caddyfile.Dispenser) error {
		if err := parse(d); err != nil {
			return err
		}
		if err := t.check(); err != nil {
			return d.WrapErr(err)
		}
		return nil
	}
}

// parseForms reads a list of forms of trace context; none is the empty list, which is not the default.
func (t *Tracing) parseForms(dst *[]string) words.Setter {
	return t.checked(func(d *caddyfile.Dispenser) error {
		if *dst != nil {
			return twice(d)
		}
		word := d.Val()
		*dst = d.RemainingArgs()
		switch {
		case len(*dst) == 0:
			return d.Errf("'%s' needs forms of trace context, such as w3c b3, or none", word)
		case slices.Contains(*dst, "none"):
			if len(*dst) > 1 {
				return d.Errf("'%s none' stands alone", word)
			}
			*dst = []string{}
		}
		return nil
	})
}

func (t *Tracing) parseTrust(d *caddyfile.Dispenser) error {
	values := d.RemainingArgs()
	switch {
	case len(values) == 0:
		return d.Err("'trusted_proxies' needs ranges, 'private_ranges' or 'none'")
	case slices.Contains(values, "none"):
		if len(values) > 1 || t.TrustedProxies != nil {
			return d.Err("'trusted_proxies none' stands alone")
		}
		t.TrustedProxies = []string{}
		return nil
	case t.TrustedProxies != nil && len(t.TrustedProxies) == 0:
		return d.Err("'trusted_proxies none' stands alone")
	}
	if _, err := newTrust(values); err != nil {
		return d.WrapErr(err)
	}
	t.TrustedProxies = append(t.TrustedProxies, values...)
	return nil
}

func (t *Tracing) parseSample(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	switch {
	case len(args) == 1:
		if t.Sample != nil {
			return d.Err("'sample SHARE' is given twice")
		}
		share, err := strconv.ParseFloat(args[0], 64)
		if err != nil || !(share >= 0 && share <= 1) {
			return d.Errf("'sample %s': want a share from 0 to 1, such as 0.1", args[0])
		}
		t.Sample = &share
		return nil
	case len(args) >= 2 && args[0] == "rate":
		if t.SampleRate != nil {
			return d.Err("'sample rate' is given twice")
		}
		rate, ok := parseRate(args[1:])
		if !ok {
			return d.Errf("'sample %s': want a rate such as: sample rate 50/s burst 100", strings.Join(args, " "))
		}
		t.SampleRate = rate
		return nil
	case len(args) == 2 && args[0] == "parent" && (args[1] == "on" || args[1] == "off"):
		if t.SampleParent != nil {
			return d.Err("'sample parent' is given twice")
		}
		on := args[1] == "on"
		t.SampleParent = &on
		return nil
	}
	return d.Err("want one of: sample 0.1; sample rate 50/s burst 100; sample parent on|off")
}

// parseRate reads N/s, and burst N if that follows.
func parseRate(args []string) (*Rate, bool) {
	number, unit, _ := strings.Cut(args[0], "/")
	perSecond, err := strconv.ParseFloat(number, 64)
	seconds, known := map[string]float64{"s": 1, "m": 60, "h": 3600}[unit]
	r := &Rate{PerSecond: perSecond / max(seconds, 1)}
	if err != nil || !known || checkRate("", r) != nil {
		return nil, false
	}
	switch {
	case len(args) == 1:
		return r, true
	case len(args) == 3 && args[1] == "burst":
		r.Burst, err = strconv.Atoi(args[2])
		return r, err == nil && r.Burst > 0
	}
	return nil, false
}

// parseSwitch reads on, off, or nothing for on.
func parseSwitch(dst **bool) words.Setter {
	return func(d *caddyfile.Dispenser) error {
		if *dst != nil {
			return twice(d)
		}
		word, args := d.Val(), d.RemainingArgs()
		if len(args) > 1 || len(args) == 1 && args[0] != "on" && args[0] != "off" {
			return d.Errf("'%s' takes on or off", word)
		}
		on := len(args) == 0 || args[0] == "on"
		*dst = &on
		return nil
	}
}

func (t *Tracing) parseKeepStatus(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	switch {
	case len(args) == 0:
		return d.Err("'keep_status' needs statuses, such as: keep_status 5xx 429, or none")
	case t.KeepStatus != nil && len(t.KeepStatus) == 0, slices.Contains(args, "none") && (len(args) > 1 || t.KeepStatus != nil):
		return d.Err("'keep_status none' stands alone")
	case args[0] == "none":
		t.KeepStatus = []string{}
		return nil
	}
	t.KeepStatus = append(t.KeepStatus, args...)
	if err := checkStatuses("keep_status", args); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (t *Tracing) parseKeepSlower(d *caddyfile.Dispenser) error {
	if t.KeepSlower != 0 {
		return twice(d)
	}
	args := d.RemainingArgs()
	if len(args) == 1 && args[0] == "off" {
		t.KeepSlower = -1
		return nil
	}
	if length, err := caddy.ParseDuration(strings.Join(args, " ")); err == nil && length > 0 {
		t.KeepSlower = caddy.Duration(length)
		return nil
	}
	return d.Err("'keep_slower' takes a length of time above zero, such as 500ms or 2s, or off")
}

func (t *Tracing) parseUpstreamSpans(d *caddyfile.Dispenser) error {
	if t.UpstreamSpans != "" {
		return twice(d)
	}
	args := d.RemainingArgs()
	if len(args) > 1 {
		return d.Err("'upstream_spans' takes on, off or own")
	}
	t.UpstreamSpans = "on"
	if len(args) == 1 {
		t.UpstreamSpans = args[0]
	}
	if err := checkUpstreamSpans(t.UpstreamSpans); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (t *Tracing) parseTag(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 2 || len(args) == 3 || len(args) > 3 && args[2] != "on" {
		return d.Err("want: tag NAME VALUE, or: tag NAME VALUE on 5xx")
	}
	tag := Tag{Name: args[0], Value: args[1]}
	if len(args) > 3 {
		tag.On = args[3:]
	}
	if err := checkTags([]Tag{tag}); err != nil {
		return d.WrapErr(err)
	}
	t.Tags = append(t.Tags, tag)
	return nil
}

func (t *Tracing) parseQuery(d *caddyfile.Dispenser) error {
	if t.Query != nil {
		return twice(d)
	}
	t.Query = &Query{}
	if err := words.None(d); err != nil {
		return err
	}
	return words.Block{
		"keep":   parseList(&t.Query.Keep, parameterNames),
		"redact": parseList(&t.Query.Redact, parameterNames),
		"hash":   parseList(&t.Query.Hash, parameterNames),
	}.Parse(d, "query", nil)
}

// parameterNames is what the words of query need.
const parameterNames = "names of query parameters"

// parseList adds the values, of which there must be one: need says of what kind.
func parseList(dst *[]string, need string) words.Setter {
	return func(d *caddyfile.Dispenser) error {
		word, args := d.Val(), d.RemainingArgs()
		if len(args) == 0 {
			return d.Errf("'%s' needs %s", word, need)
		}
		*dst = append(*dst, args...)
		return nil
	}
}
