package amqptap

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// right is something that the tap must be allowed to do, with a harmless question that tells.
//
// RabbitMQ looks at rights before it looks for the object. So what it says about a queue that does not exist is
// either "refused" or "there is none", and nothing happens either way: the queue has the name that the tap's would have,
// with random digits, and is not declared. Permissions as such only an administrator may read.
type right struct {
	name string
	ask  func(ch *amqp.Channel, queue string) error
}

// rights asks for each right that is needed.
func (c *checker) rights(ctx context.Context) {
	needed := []right{
		{"configure " + c.Queue, func(ch *amqp.Channel, queue string) error {
			_, err := ch.QueueDelete(queue, true, true, false) // of a queue that is not there: does nothing, and is no error
			return err
		}},
		{"read " + c.Queue, func(ch *amqp.Channel, queue string) error {
			_, err := ch.Consume(queue, consumerTag, false, true, false, false, nil)
			return err
		}},
	}
	for _, b := range c.Bindings {
		needed = append(needed, right{"bind " + c.Queue + " to " + exchangeName(b.Exchange), func(ch *amqp.Channel, queue string) error {
			return ch.QueueBind(queue, b.Keys[0], b.Exchange, false, nil)
		}})
	}
	refused := false
	for _, r := range needed {
		err := c.asking(ctx, r, c.Queue)
		switch missing := missingExchange(err); {
		case err == nil:
		case missing:
			c.add(levelError, "exchange", err.Error(), "correct the name, or start the service that declares it; the tap declares none")
		case isRefusal(err):
			refused = true
			c.add(levelError, "rights", "the user may not "+r.name, c.grant())
		default:
			c.add(levelUnknown, "rights", r.name+": "+err.Error(), "")
		}
	}
	if !refused {
		c.add(levelOK, "rights", "the user may do all that the tap does", "")
		c.excess(ctx, needed[0])
	}
}

// excess tells of a user that could harm others' queues.
func (c *checker) excess(ctx context.Context, configure right) {
	if err := c.asking(ctx, configure, "calltap-check-"+rand.Text()); err == nil {
		c.add(levelNote, "rights", "the user may also configure queues that are not the tap's", "least rights: "+c.grant())
	}
}

// asking asks on a connection of its own: an answer that is no ends the channel, and the tap has one. nil is yes.
func (c *checker) asking(ctx context.Context, r right, queue string) error {
	s, trouble := c.open(ctx)
	if trouble != nil {
		return trouble
	}
	defer s.close()
	err := r.ask(s.ch, queue)
	var closed *amqp.Error
	if errors.As(err, &closed) && closed.Code == amqp.NotFound && !missingExchange(err) {
		return nil // it would have been allowed, had the queue been there
	}
	return err
}

func isRefusal(err error) bool {
	var closed *amqp.Error
	return errors.As(err, &closed) && closed.Code == amqp.AccessRefused
}

// missingExchange reports whether the broker said that there is no such exchange; it looks for that before the queue.
func missingExchange(err error) bool {
	var closed *amqp.Error
	var name, vhost string
	if !errors.As(err, &closed) || closed.Code != amqp.NotFound {
		return false
	}
	n, _ := fmt.Sscanf(closed.Reason, "NOT_FOUND - no exchange %s in vhost %s", &name, &vhost)
	return n > 0
}

func exchangeName(e string) string { return "exchange " + e }
