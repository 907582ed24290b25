package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"os"

	amqp "github.com/rabbitmq/amqp091-go"
)

// bareRole as first argument makes this program the yardstick of the tap: a consumer of the firehose
// that does nothing with what it gets.
const bareRole = "bare-consumer"

// The bounds of the tap's own queue, prefetch and acknowledgement, which the yardstick shares.
const (
	tapPrefetch = 1000
	tapAckEvery = 500
)

// bareConsumer reads the firehose with plain amqp091-go until its standard input ends. To each line that it reads there it
// prints how many messages it has got.
func bareConsumer(args []string) error {
	set := flag.NewFlagSet(bareRole, flag.ContinueOnError)
	url := set.String("url", "", "AMQP URL")
	if err := set.Parse(args); err != nil {
		return err
	}
	conn, err := amqp.Dial(*url)
	if err != nil {
		return err
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	deliveries, err := consumeFirehose(ch)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			asked <- struct{}{}
		}
	}()
	return drain(deliveries, asked)
}

// consumeFirehose declares the same kind of queue as the tap has.
func consumeFirehose(ch *amqp.Channel) (<-chan amqp.Delivery, error) {
	queue := fmt.Sprintf("bench.bare.%d", os.Getpid())
	args := amqp.Table{"x-max-length": int32(20_000), "x-max-length-bytes": int32(256 << 20), "x-overflow": "drop-head"}
	if _, err := ch.QueueDeclare(queue, false, true, true, false, args); err != nil {
		return nil, err
	}
	if err := ch.QueueBind(queue, "#", "amq.rabbitmq.trace", false, nil); err != nil {
		return nil, err
	}
	if err := ch.Qos(tapPrefetch, 0, false); err != nil {
		return nil, err
	}
	return ch.Consume(queue, "", false, true, false, false, nil)
}

// drain acknowledges in the tap's rhythm: many at once, and what is left when nothing more is there.
func drain(deliveries <-chan amqp.Delivery, asked <-chan struct{}) error {
	total, unacked := 0, 0
	var last amqp.Delivery
	ack := func() error {
		unacked = 0
		return last.Ack(true)
	}
	for {
		select {
		case d, ok := <-deliveries:
			if !ok {
				return errors.New("the broker ended the delivery")
			}
			last = d
			total++
			if unacked++; unacked < tapAckEvery {
				continue
			}
			if err := ack(); err != nil {
				return err
			}
		case _, more := <-asked:
			if unacked > 0 {
				if err := ack(); err != nil {
					return err
				}
			}
			if !more {
				return nil
			}
			fmt.Println("seen", total)
		}
	}
}
