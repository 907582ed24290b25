// Package wire reads what a RabbitMQ broker delivers to one consumer where it lies in the receive buffer.
//
// In go the bytes of an AMQP 0-9-1 connection (https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf); out go the
// consumer's deliveries, as a Delivery whose strings and body are slices of the buffer, to a function that is called
// on the goroutine that reads. All other frames go on, byte for byte, to amqp091-go, which sits on top and is
// and remains the client: it opens, tunes, declares, binds, consumes, acknowledges, beats and closes.
//
//	                amqp091-go                 Options.Deliver(*Delivery)
//	                 ▲      │ writes                  ▲
//	   other frames  │      ▼                         │ deliveries
//	              ┌──┴── Conn ────────────────────────┴──┐
//	conn.go       │ buffer, frame by frame               │ content.go: method + header + body
//	              └──▲────────────────────────────┬──────┘ gather.go:  those that lie in pieces
//	                 │                            ▼        table.go, headers.go: fields, read when asked for
//	          TLS, if any                     TLS, if any
//	                 ▲                            │
//	socket.go     Socket: deadlines, when bytes came, whether more was waiting
//
// It exists because the library takes two thirds of a tap's CPU: it copies each message three times, makes maps
// of its headers and strings of their names, and hands it through two goroutines (see docs/RATIONALE.md).
//
// ahead.go is for a tap that leaves all reading to the library: it reads more at once than that asks for, and no more.
//
// # Failure behaviour
//
// All bytes are foreign. Lengths are checked against what holds them, so that nothing read panics; memory is the
// buffer and, for messages that are cut into frames, one body of Options.MaxBody. Framing that is wrong
// (an end octet, a type, a frame above the limit) goes to the library as it came, which ends the connection over it.
// A fault within a delivery, which the library would not see, makes Read return an error that says what was wrong; the
// library ends the connection with it. There is no reading on after a fault: where the next frame begins is not known.
//
// A broker that is dead is noticed by the Socket, between one and a half and two heartbeats after the last byte.
package wire
