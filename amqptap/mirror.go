package amqptap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/calltap/calltap/amqptap/management"
)

// refusal is a mirror's key that is not bound, since binding it would change what the watched programs see, or might.
type refusal struct {
	Exchange string `json:"exchange"`
	Key      string `json:"key"`
	Why      string `json:"why"`
}

// harmless are the keys of b with which the tap's queue is one destination more where there already is one: then a message is returned,
// or sent to the alternate exchange, no more and no less than without the tap. What remains is that publisher confirms and credit
// flow include the tap's queue.
func (s *settings) harmless(ctx context.Context, api *management.Client, b Binding) (keys []string, refused []refusal, err error) {
	refuse := func(why string, keys ...string) {
		for _, k := range keys {
			refused = append(refused, refusal{b.Exchange, k, why})
		}
	}
	why, err := s.unfit(ctx, api, b.Exchange)
	if err != nil {
		return nil, nil, err
	}
	if why != "" {
		refuse(why, b.Keys...)
		return nil, refused, nil
	}
	bound, err := api.BindingsFrom(ctx, s.URI.Vhost, b.Exchange)
	if err != nil {
		return nil, nil, err
	}
	for _, key := range b.Keys {
		switch {
		case strings.ContainsAny(key, "*#"):
			refuse("it is a pattern, which also takes messages that no service does", key)
		case !s.takenByAnother(bound, key):
			refuse("no other queue is bound with it", key)
		default:
			keys = append(keys, key)
		}
	}
	return keys, refused, nil
}

// unfit says why no key of an exchange can be harmless, "" if some may be.
func (s *settings) unfit(ctx context.Context, api *management.Client, exchange string) (string, error) {
	e, err := api.Exchange(ctx, s.URI.Vhost, exchange)
	if errors.Is(err, management.ErrNotFound) {
		return "there is no such exchange", nil
	}
	if err != nil {
		return "", err
	}
	if e.Type != "direct" && e.Type != "topic" {
		return fmt.Sprintf("the exchange is of type %s: it does not go by the key alone", e.Type), nil
	}
	alternate, err := api.Alternate(ctx, s.URI.Vhost, e)
	if err != nil || alternate == "" {
		return "", err
	}
	return fmt.Sprintf("the exchange has the alternate exchange %s, which then gets less", alternate), nil
}

// takenByAnother reports whether a queue that is no tap's is bound with that very key.
func (s *settings) takenByAnother(bound []management.Bound, key string) bool {
	for _, b := range bound {
		if b.Kind == "queue" && b.Key == key && !strings.HasPrefix(b.Destination, s.Queue) {
			return true
		}
	}
	return false
}
