package amqptap

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

// UnmarshalCaddyfile reads a source's block, as it stands in calltap's global block:
//
//	rabbitmq URL {
//	    firehose
//	    mirror EXCHANGE KEY...    # in place of firehose; may be repeated; a KEY of # alone is written "#"
//	    queue PREFIX
//	    prefetch NUMBER
//	    max_length NUMBER
//	    max_bytes SIZE
//	    max_body SIZE
//	    timeout DURATION
//	    heartbeat DURATION
//	    dialects oslo|plain...
//	    management URL
//	    tls {
//	        ca FILE
//	        cert FILE KEYFILE
//	    }
//	}
//
// All of the block is optional. What the words mean stands at the fields of Source and TLS.
func (s *Source) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the word rabbitmq itself
	url, err := oneArg(d)
	if err != nil {
		return err
	}
	s.URL = url
	if err := s.Validate(); err != nil {
		return d.WrapErr(err)
	}
	return words{
		"firehose":   func(d *caddyfile.Dispenser) error { s.Firehose = true; return noArgs(d) },
		"mirror":     s.parseMirror,
		"queue":      setString(&s.Queue),
		"prefetch":   setCount(&s.Prefetch),
		"max_length": setCount(&s.MaxLength),
		"max_bytes":  setBytes(&s.MaxBytes),
		"max_body":   setBytes(&s.MaxBody),
		"timeout":    setDuration(&s.Timeout),
		"heartbeat":  setDuration(&s.Heartbeat),
		"dialects":   s.parseDialects,
		"management": setString(&s.Management),
		"tls":        s.parseTLS,
	}.parse(d, "rabbitmq", s.Validate)
}

func (s *Source) parseMirror(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 2 {
		return d.Err("'mirror' needs an exchange and at least one routing key, such as: mirror nova conductor compute.# (a # alone must be quoted, or it begins a comment)")
	}
	s.Mirror = append(s.Mirror, Binding{Exchange: args[0], Keys: args[1:]})
	return nil
}

func (s *Source) parseDialects(d *caddyfile.Dispenser) error {
	names := d.RemainingArgs()
	if len(names) == 0 {
		return d.Err("'dialects' needs at least one name, such as: dialects oslo plain")
	}
	s.Dialects = append(s.Dialects, names...)
	return nil
}

func (s *Source) parseTLS(d *caddyfile.Dispenser) error {
	if err := noArgs(d); err != nil {
		return err
	}
	s.TLS = &TLS{}
	return words{
		"ca": setString(&s.TLS.CA),
		"cert": func(d *caddyfile.Dispenser) error {
			if !d.Args(&s.TLS.Cert, &s.TLS.Key) || d.NextArg() {
				return d.Err("'cert' needs two files, the certificate and its key")
			}
			return nil
		},
	}.parse(d, "tls", func() error { return nil })
}

// words is the vocabulary of one block: what each word does with the arguments after it.
type words map[string]func(d *caddyfile.Dispenser) error

// parse reads the block that opens at the end of the current line, if there is one. It calls check after
// each word, so that a bad value is reported with the line that brought it.
func (w words) parse(d *caddyfile.Dispenser, block string, check func() error) error {
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		set, ok := w[d.Val()]
		if !ok {
			return w.unknown(d, block)
		}
		if err := set(d); err != nil {
			return err
		}
		if err := check(); err != nil {
			return d.WrapErr(err)
		}
	}
	return nil
}

func (w words) unknown(d *caddyfile.Dispenser, block string) error {
	known := slices.Sorted(maps.Keys(w))
	hint := ""
	if near := keyrules.NearestWord(d.Val(), known); near != "" {
		hint = fmt.Sprintf(" did you mean '%s'?", near)
	}
	return d.Errf("unknown word '%s' in '%s':%s valid words are %s", d.Val(), block, hint, strings.Join(known, ", "))
}

// oneArg reads the only argument of the current word.
func oneArg(d *caddyfile.Dispenser) (string, error) {
	word := d.Val()
	args := d.RemainingArgs()
	if len(args) != 1 {
		return "", d.Errf("'%s' needs one value, not %d", word, len(args))
	}
	return args[0], nil
}

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

func setCount(dst *int) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		word := d.Val()
		value, err := oneArg(d)
		if err != nil {
			return err
		}
		if *dst, err = strconv.Atoi(value); err != nil || *dst <= 0 {
			return d.Errf("'%s %s': want a whole number above zero", word, value)
		}
		return nil
	}
}

func setBytes[T int | int64](dst *T) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		word := d.Val()
		value, err := oneArg(d)
		if err != nil {
			return err
		}
		n, err := humanize.ParseBytes(value)
		if err != nil || n == 0 || n > 1<<30 {
			return d.Errf("'%s %s': want a size up to 1GiB, such as 64MiB", word, value)
		}
		*dst = T(n)
		return nil
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
			return d.Errf("'%s %s': want a length of time above zero, such as 500ms, 10s or 2m", word, value)
		}
		*dst = caddy.Duration(dur)
		return nil
	}
}

// Interface guard.
var _ caddyfile.Unmarshaler = (*Source)(nil)
