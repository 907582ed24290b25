package amqptap

import (
	"crypto/sha256"
	"encoding/json"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// settings are a Source with defaults and placeholders filled in: all that a running tap needs to know.
// They hold the password, so they are never logged.
type settings struct {
	URI        amqp.URI
	Host       string // of this machine, for names
	Mode       string // firehose or mirror
	Mirror     []Binding
	Queue      string
	Prefetch   int
	MaxLength  int
	MaxBytes   int64
	MaxBody    int
	Timeout    time.Duration
	Quiet      time.Duration // 0 is the Pairer's default
	Heartbeat  time.Duration
	Dialects   []string
	Management string
	TLS        *TLS
	Reader     string // inplace or library
	Trace      bool
	Watchdog   *Watchdog

	AcceptChanges bool

	waits
}

// poolKey tells taps with different settings apart. It is a hash, so that the pool, which others may
// print, holds no password.
type poolKey [sha256.Size]byte

func (s *settings) key() poolKey {
	b, err := json.Marshal(s)
	if err != nil { // plain data: cannot happen
		panic(err)
	}
	return sha256.Sum256(b)
}

// bindings are the tap's queue's: what to bind it to, by exchange.
func (s *settings) bindings() []Binding {
	if s.Mode == "mirror" {
		return s.Mirror
	}
	return []Binding{{Exchange: firehoseExchange, Keys: []string{"publish.#", "deliver.#"}}}
}
