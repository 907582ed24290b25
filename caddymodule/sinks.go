package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/calltap/calltap/emit/log"
	"github.com/calltap/calltap/emit/statsd"
	"github.com/calltap/calltap/emit/zipkin"
)

// sinkSettings are the settings of all sinks with placeholders replaced and defaults unset. They may hold
// secrets, so they are never shown; as JSON they are the key under which the pipeline is shared.
type sinkSettings struct {
	Zipkin *ZipkinSink
	StatsD *StatsDSink
	Log    *LogSink
	Store  *StoreSink
	Queue  *QueueSettings
}

func (s *sinkSettings) key() string { return settingsKey(s) }

func (s *sinkSettings) storeKey() string { return settingsKey(s.Store) }

func settingsKey(settings any) string {
	text, err := json.Marshal(settings)
	if err != nil { // strings and numbers always marshal
		panic(err)
	}
	return string(text)
}

// resolveSinks replaces placeholders and checks what can be checked without connecting. Its errors name
// the setting, never its value after replacement.
func (a *App) resolveSinks(repl *caddy.Replacer) (*sinkSettings, error) {
	s := sinkSettings{Queue: a.Queue}
	if a.Zipkin != nil {
		resolved, err := a.Zipkin.resolve(repl)
		if err != nil {
			return nil, err
		}
		s.Zipkin = resolved
	}
	if a.StatsD != nil {
		resolved, err := a.StatsD.resolve(repl)
		if err != nil {
			return nil, err
		}
		s.StatsD = resolved
	}
	if a.Log != nil {
		resolved := *a.Log
		if err := resolve(repl, "log output", &resolved.Output); err != nil {
			return nil, err
		}
		if err := resolved.config().Validate(); err != nil {
			return nil, err
		}
		s.Log = &resolved
	}
	if a.Store != nil {
		resolved := *a.Store
		if resolved.MaxSpans < 0 || resolved.MaxBytes < 0 {
			return nil, errors.New("store: max_spans and max_bytes must not be below zero")
		}
		s.Store = &resolved
	}
	return &s, nil
}

func resolve(repl *caddy.Replacer, what string, value *string) error {
	if *value == "" {
		return fmt.Errorf("%s: missing", what)
	}
	return resolveOptional(repl, what, value)
}

func resolveOptional(repl *caddy.Replacer, what string, value *string) error {
	resolved, err := repl.ReplaceOrErr(*value, true, true)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	*value = resolved
	return nil
}

func (z ZipkinSink) resolve(repl *caddy.Replacer) (*ZipkinSink, error) {
	if err := resolve(repl, "zipkin url", &z.URL); err != nil {
		return nil, err
	}
	header := make(map[string]string, len(z.Header))
	for name, value := range z.Header {
		if err := resolve(repl, "zipkin header "+name, &value); err != nil {
			return nil, err
		}
		header[name] = value
	}
	z.Header = header
	return &z, z.config().Validate()
}

// check finds what is wrong while the Caddyfile is read and its line is known. Values with placeholders wait
// for resolve.
func (z *ZipkinSink) check() error {
	if strings.ContainsRune(z.URL, '{') {
		return nil
	}
	return z.config().Validate()
}

func (z *ZipkinSink) config() zipkin.Config {
	return zipkin.Config{URL: z.URL, Timeout: time.Duration(z.Timeout), Compression: z.Compression, Header: z.Header}
}

func (s StatsDSink) resolve(repl *caddy.Replacer) (*StatsDSink, error) {
	if err := resolve(repl, "statsd address", &s.Address); err != nil {
		return nil, err
	}
	if err := resolveOptional(repl, "statsd prefix", &s.Prefix); err != nil {
		return nil, err
	}
	return &s, s.config().Validate()
}

// check is as ZipkinSink's.
func (s *StatsDSink) check() error {
	if strings.ContainsRune(s.Address+s.Prefix, '{') {
		return nil
	}
	return s.config().Validate()
}

func (s *StatsDSink) config() statsd.Config {
	return statsd.Config{Address: s.Address, Prefix: s.Prefix, MaxDatagram: s.MaxDatagram,
		ResolveInterval: time.Duration(s.ResolveInterval)}
}

func (l LogSink) config() log.Config { return log.Config{Output: l.Output} }
