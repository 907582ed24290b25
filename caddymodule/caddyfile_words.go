package caddymodule

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"

	"github.com/calltap/calltap/keyrules"
)

// words is the vocabulary of one block: what each word does with the arguments after it.
type words map[string]func(d *caddyfile.Dispenser) error

// parse reads the block that opens at the end of the current line, if there is one.
func (w words) parse(d *caddyfile.Dispenser, block string) error {
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		set, ok := w[d.Val()]
		if !ok {
			return unknownWord(d, block, slices.Sorted(maps.Keys(w)))
		}
		if err := set(d); err != nil {
			return err
		}
	}
	return nil
}

// unknownWord says where a word is that the block does not know, and which ones it does.
func unknownWord(d *caddyfile.Dispenser, block string, known []string) error {
	hint := ""
	if near := keyrules.NearestWord(d.Val(), known); near != "" {
		hint = fmt.Sprintf(" did you mean '%s'?", near)
	}
	return d.Errf("unknown word '%s' in '%s':%s valid words are %s",
		d.Val(), block, hint, strings.Join(known, ", "))
}

// oneArg reads the only argument of the current word.
func oneArg(d *caddyfile.Dispenser) (string, error) {
	word := d.Val()
	if !d.NextArg() {
		return "", d.Errf("'%s' needs a value", word)
	}
	value := d.Val()
	if d.NextArg() {
		return "", d.Errf("'%s' takes one value, '%s' is one too many", word, d.Val())
	}
	return value, nil
}

// noArgs checks that the current word stands alone on its line.
func noArgs(d *caddyfile.Dispenser) error {
	word := d.Val()
	if d.NextArg() {
		return d.Errf("'%s' takes no value, found '%s'", word, d.Val())
	}
	return nil
}

func setString(dst *string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) (err error) {
		*dst, err = oneArg(d)
		return err
	}
}

func setDuration(dst *caddy.Duration) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		word := d.Val()
		value, err := oneArg(d)
		if err != nil {
			return err
		}
		dur, err := caddy.ParseDuration(value)
		if err != nil || dur <= 0 {
			return d.Errf("'%s %s': want a length of time above zero such as 500ms, 5s or 2m", word, value)
		}
		*dst = caddy.Duration(dur)
		return nil
	}
}

func setCount(dst *int) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		word := d.Val()
		value, err := oneArg(d)
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(value)
		if err != nil || n <= 0 {
			return d.Errf("'%s %s': want a whole number above zero", word, value)
		}
		*dst = n
		return nil
	}
}

func setBytes(dst *int64) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		word := d.Val()
		value, err := oneArg(d)
		if err != nil {
			return err
		}
		n, err := humanize.ParseBytes(value)
		if err != nil || n == 0 || n > 1<<40 {
			return d.Errf("'%s %s': want a size such as 512KiB or 64MiB", word, value)
		}
		*dst = int64(n)
		return nil
	}
}

func setHeader(dst *map[string]string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		var name, value string
		if !d.AllArgs(&name, &value) {
			return d.Err("'header' needs a name and a value, such as: header Authorization \"Bearer {env.TOKEN}\"")
		}
		if *dst == nil {
			*dst = make(map[string]string)
		}
		(*dst)[name] = value
		return nil
	}
}
