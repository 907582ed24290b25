// Package dialect reads RPC protocols off RabbitMQ messages.
//
// In goes a Record, one event of the broker as the firehose, a mirror queue or a capture file
// shows it; out comes the spanbuilder.Message that the pairing needs, or a Verdict that says
// why not. One file is one protocol:
//
//	                       ┌─► oslo.go    {"oslo.version":…,"oslo.message":"{…}"}, bare notifications
//	Record ──► Set.Decode ─┤
//	                       └─► plain.go   reply_to and correlation_id, JSON "method", direct reply-to
//
// The first dialect that knows a message wins, so the specific stand before the general.
//
// Bodies carry tokens, passwords and whatever the watched programs send each other. So a dialect
// reads the members that it has a list of and walks over all others without copying them; that
// is what scanner.go is for. It needs no allocation, no recursion and one pass. Of arguments those alone are
// read that rules name (Set.ReadArgs), and only objects on the way to one are entered.
//
// What goes wrong with a body is a Verdict, never an error or a panic: TooLarge and TooDeep are
// limits of this package, BadJSON and BadField are the sender's doing. The caller counts them.
package dialect
