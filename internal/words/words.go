// Package words reads blocks of a Caddyfile in which each line is a word and its values, as calltap's
// are. In goes a dispenser and a vocabulary, out come values set, or an error that names the file, the
// line and what may stand there.
package words

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

// Setter reads the values after a word, the dispenser's current token.
type Setter = func(d *caddyfile.Dispenser) error

// Block is the vocabulary of one block: what each word does with the values after it.
type Block map[string]Setter

// Parse reads the block that opens at the end of the current line, if there is one. It calls check
// after each word, so that a bad value is reported with the line that brought it; check may be nil.
func (b Block) Parse(d *caddyfile.Dispenser, name string, check func() error) error {
	return b.ParseOr(d, check, func(d *caddyfile.Dispenser) error { return Unknown(d, name, b.Known()) })
}

// ParseOr is Parse for a block that has something of its own to say of other words.
func (b Block) ParseOr(d *caddyfile.Dispenser, check func() error, other Setter) error {
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		set, ok := b[d.Val()]
		if !ok {
			set = other
		}
		if err := set(d); err != nil {
			return err
		}
		if check == nil {
			continue
		}
		if err := check(); err != nil {
			return d.WrapErr(err)
		}
	}
	return nil
}

// Known lists the words in order.
func (b Block) Known() []string { return slices.Sorted(maps.Keys(b)) }

// Unknown says where a word is that the block does not know, and which ones it does.
func Unknown(d *caddyfile.Dispenser, block string, known []string) error {
	hint := ""
	if near := keyrules.NearestWord(d.Val(), known); near != "" {
		hint = fmt.Sprintf(" did you mean '%s'?", near)
	}
	return At(d, d.Val(), fmt.Errorf("unknown word '%s' in '%s':%s valid words are %s",
		d.Val(), block, hint, strings.Join(known, ", ")))
}

// One reads the only value of the current word.
func One(d *caddyfile.Dispenser) (string, error) {
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

// None checks that the current word stands alone on its line.
func None(d *caddyfile.Dispenser) error {
	word := d.Val()
	if d.NextArg() {
		return d.Errf("'%s' takes no value, found '%s'", word, d.Val())
	}
	return nil
}

// String sets dst to the only value.
func String(dst *string) Setter {
	return func(d *caddyfile.Dispenser) (err error) {
		*dst, err = One(d)
		return err
	}
}

// Duration sets dst to a length of time above zero.
func Duration(dst *caddy.Duration) Setter {
	return parsed(dst, "a length of time above zero, such as 500ms, 5s or 2m", func(s string) (caddy.Duration, bool) {
		v, err := caddy.ParseDuration(s)
		return caddy.Duration(v), err == nil && v > 0
	})
}

// Count sets dst to a whole number above zero.
func Count(dst *int) Setter {
	return parsed(dst, "a whole number above zero", func(s string) (int, bool) {
		v, err := strconv.Atoi(s)
		return v, err == nil && v > 0
	})
}

// Bytes sets dst to a size from one byte to one TiB, written with or without a unit.
func Bytes[T int | int64](dst *T) Setter {
	return parsed(dst, "a size such as 512KiB or 64MiB", func(s string) (T, bool) {
		v, err := humanize.ParseBytes(s)
		return T(v), err == nil && v > 0 && v <= 1<<40
	})
}

// Fraction parses a number above 0 and up to 1.
func Fraction(dst *float64) Setter {
	return parsed(dst, "a fraction such as 0.5", func(s string) (float64, bool) {
		v, err := strconv.ParseFloat(s, 64)
		return v, err == nil && v > 0 && v <= 1
	})
}

func parsed[T any](dst *T, want string, parse func(string) (T, bool)) Setter {
	return func(d *caddyfile.Dispenser) error {
		word := d.Val()
		value, err := One(d)
		if err != nil {
			return err
		}
		v, ok := parse(value)
		if !ok {
			return d.Errf("'%s %s': want %s", word, value, want)
		}
		*dst = v
		return nil
	}
}
