package amqptap

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/calltap/calltap/amqptap/dialect"
	"github.com/calltap/calltap/internal/config"
	"github.com/calltap/calltap/spanbuilder"
)

// addSourceFlags gives cmd the flags that sourcesOf takes.
func addSourceFlags(cmd *cobra.Command) {
	config.AddFlags(cmd)
	cmd.Flags().String("management", "", "With a URL: the broker's management API, such as http://127.0.0.1:15672")
	cmd.Flags().String("ca", "", "With a URL of amqps: file of the authority that signed the broker's certificate")
	cmd.Args = cobra.MaximumNArgs(1)
}

// sourcesOf are the brokers that a command is about: those of the configuration, or the one at the URL.
func sourcesOf(cmd *cobra.Command, args []string) ([]*Source, config.Config, error) {
	c, err := config.FromFlags(cmd, defaultReplay())
	if err != nil {
		return nil, c, err
	}
	if len(args) == 0 {
		all, err := sourcesIn(c)
		return all, c, err
	}
	s := &Source{URL: args[0]}
	s.Management, _ = cmd.Flags().GetString("management")
	if ca, _ := cmd.Flags().GetString("ca"); ca != "" {
		s.TLS = &TLS{CA: ca}
	}
	return []*Source{s}, c, s.ready()
}

// sourcesIn are the RabbitMQ brokers that a configuration taps.
func sourcesIn(c config.Config) (all []*Source, err error) {
	for _, text := range c.Sources {
		var kind struct {
			Source string `json:"source"`
		}
		if err := json.Unmarshal(text, &kind); err != nil {
			return nil, fmt.Errorf("reading the configuration: %w", err)
		}
		if kind.Source != "rabbitmq" {
			continue
		}
		s := new(Source)
		if err := json.Unmarshal(text, s); err != nil {
			return nil, fmt.Errorf("reading the configuration: %w", err)
		}
		if err := s.ready(); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		return nil, errors.New("no broker: give its URL, or --config with a configuration that has a source 'rabbitmq'")
	}
	return all, nil
}

// ready does with a Source what Caddy would.
func (s *Source) ready() error {
	if err := s.Provision(caddy.Context{}); err != nil {
		return err
	}
	return s.Validate()
}

// unstarted is a tap that does nothing by itself.
func (s *Source) unstarted() (*tap, error) {
	settings, err := s.resolve(caddy.NewReplacer())
	if err != nil {
		return nil, err
	}
	settings.Reader = "library" // which gives whole messages
	st, err := newStream(dialect.Limits{MaxBody: settings.MaxBody}, settings.Dialects, spanbuilder.PairerOptions{})
	if err != nil {
		return nil, err
	}
	return &tap{settings: settings, stream: st, log: s.log, names: new(names)}, nil
}

// explained is t as a command tells it, once and with what to do about it.
func (t *trouble) explained(password string) error {
	text := redact(t.Error(), password)
	if t.advice != "" {
		text += "\n" + t.advice
	}
	return errors.New(text)
}
