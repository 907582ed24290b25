package main

import (
	"fmt"

	"github.com/calltap/calltap/amqptap/dialect"
	"github.com/calltap/calltap/spanbuilder"
)

// decoder is the tap's own way from a record to a message.
type decoder struct {
	set     *dialect.Set
	message spanbuilder.Message
}

func newDecoder() (*decoder, error) {
	set, err := dialect.NewSet(dialect.Limits{}, "oslo")
	if err != nil {
		return nil, err
	}
	return &decoder{set: set}, nil
}

func (d *decoder) decode(r *dialect.Record) error {
	if _, v := d.set.Decode(r, &d.message); v != dialect.Decoded {
		return fmt.Errorf("verdict %s", v)
	}
	return nil
}

// decodable gives the records of the boot and the sum of their bodies' sizes.
func decodable(boot []template) ([]dialect.Record, int) {
	var records []dialect.Record
	size := 0
	for _, t := range boot {
		records = append(records, dialect.Record{
			Time: 1, Point: spanbuilder.Published, VHost: "/", Exchange: t.Exchange, RoutingKey: t.RoutingKey,
			Connection: "127.0.0.1:56056 -> 127.0.0.1:5682", RoutedKnown: true, RoutedQueues: 1,
			Properties: dialect.Properties{ContentType: t.Properties.Type, Expiration: t.Properties.Expiration},
			Body:       []byte(t.Body),
		})
		size += len(t.Body)
	}
	return records, size
}
