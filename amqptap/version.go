package amqptap

import "fmt"

// brokerVersion is what a broker says of itself, zero if it does not.
type brokerVersion struct{ major, minor, patch int }

func parseVersion(text string) (v brokerVersion) {
	if n, _ := fmt.Sscanf(text, "%d.%d.%d", &v.major, &v.minor, &v.patch); n < 3 {
		return brokerVersion{}
	}
	return v
}

func (v brokerVersion) known() bool { return v != brokerVersion{} }

// breaksTraced is true of the versions whose firehose closes the channel of a program that replies to a direct
// reply-to (rabbitmq-server issue 11656, mended in 3.13.5).
func (v brokerVersion) breaksTraced() bool { return v.major == 3 && v.minor == 13 && v.patch < 5 }

// hidesDirectReplies is true of the versions whose firehose does not show the delivery of a direct reply.
func (v brokerVersion) hidesDirectReplies() bool {
	return v.known() && (v.major < 4 || v.major == 4 && v.minor < 2)
}

const (
	breaksWarning = "THIS BROKER'S FIREHOSE BREAKS DIRECT REPLY-TO: before 3.13.5 a traced reply to amq.rabbitmq.reply-to closes the " +
		"replying program's channel (rabbitmq-server issue 11656); upgrade it, or switch the firehose off with rabbitmqctl trace_off"
	directNote = "before RabbitMQ 4.2 the firehose does not show the delivery of a direct reply: such a call ends when its reply is published"
)

// versionNotes are what an operator should know of this broker's firehose.
func versionNotes(server string) (notes []string) {
	v := parseVersion(server)
	if v.breaksTraced() {
		notes = append(notes, breaksWarning)
	}
	if v.hidesDirectReplies() {
		notes = append(notes, directNote)
	}
	return notes
}
