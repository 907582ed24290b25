package amqptap

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/calltap/calltap/internal/words"
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
//	    quiet DURATION
//	    heartbeat DURATION
//	    dialects NAME...          # those of package dialect
//	    management URL
//	    reader inplace|library
//	    trace on|off
//	    accept_changes            # of a mirror, to what the watched programs see
//	    watchdog off              # or a block:
//	    watchdog {
//	        lag DURATION
//	        depth FRACTION
//	        for DURATION
//	        pause DURATION
//	    }
//	    tls {
//	        ca FILE
//	        cert FILE KEYFILE
//	    }
//	}
//
// All of the block is optional. What the words mean stands at the fields of Source and TLS.
func (s *Source) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the word rabbitmq itself
	url, err := words.One(d)
	if err != nil {
		return err
	}
	s.URL = url
	if err := s.check(); err != nil {
		return d.WrapErr(err)
	}
	place := words.Here(d, d.Val()) // of the word that lacks another one
	note := func(set words.Setter) words.Setter {
		return func(d *caddyfile.Dispenser) error {
			place = words.Here(d, d.Val())
			return set(d)
		}
	}
	err = words.Block{
		"firehose":   func(d *caddyfile.Dispenser) error { s.Firehose = true; return words.None(d) },
		"mirror":     note(s.parseMirror),
		"queue":      words.String(&s.Queue),
		"prefetch":   words.Count(&s.Prefetch),
		"max_length": words.Count(&s.MaxLength),
		"max_bytes":  words.Bytes(&s.MaxBytes),
		"max_body":   words.Bytes(&s.MaxBody),
		"timeout":    words.Duration(&s.Timeout),
		"quiet":      words.Duration(&s.Quiet),
		"heartbeat":  words.Duration(&s.Heartbeat),
		"dialects":   s.parseDialects,
		"management": words.String(&s.Management),
		"reader":     words.String(&s.Reader),
		"trace":      note(s.parseTrace),
		"watchdog":   s.parseWatchdog,
		"accept_changes": func(d *caddyfile.Dispenser) error {
			s.AcceptChanges = true
			return words.None(d)
		},
		"tls": s.parseTLS,
	}.Parse(d, "rabbitmq", s.check)
	if err != nil {
		return err
	}
	if err := s.checkWhole(); err != nil {
		return place.Wrap(err)
	}
	return nil
}

func (s *Source) parseTrace(d *caddyfile.Dispenser) error {
	word, err := words.One(d)
	if err != nil {
		return err
	}
	if word != "on" && word != "off" {
		return d.Errf("trace %q: want on or off", word)
	}
	s.Trace = word == "on"
	return nil
}

func (s *Source) parseWatchdog(d *caddyfile.Dispenser) error {
	s.Watchdog = &Watchdog{}
	if d.NextArg() {
		if d.Val() != "off" {
			return d.Errf("watchdog %q: want off, or a block", d.Val())
		}
		s.Watchdog.Off = true
		return words.None(d)
	}
	return words.Block{
		"lag":   words.Duration(&s.Watchdog.Lag),
		"depth": words.Fraction(&s.Watchdog.Depth),
		"for":   words.Duration(&s.Watchdog.For),
		"pause": words.Duration(&s.Watchdog.Pause),
	}.Parse(d, "watchdog", s.check)
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
	if err := words.None(d); err != nil {
		return err
	}
	s.TLS = &TLS{}
	return words.Block{
		"ca": words.String(&s.TLS.CA),
		"cert": func(d *caddyfile.Dispenser) error {
			if !d.Args(&s.TLS.Cert, &s.TLS.Key) || d.NextArg() {
				return d.Err("'cert' needs two files, the certificate and its key")
			}
			return nil
		},
	}.Parse(d, "tls", nil)
}

// Interface guard.
var _ caddyfile.Unmarshaler = (*Source)(nil)
