// Package dialect reads RPC protocols off RabbitMQ messages.
//
// In goes a Record, one event of the broker as the firehose, a mirror queue or a capture file
// shows it; out comes the spanbuilder.Message that the pairing needs, or a Verdict that says
// why not. One file is one protocol:
//
//	                       ┌─► oslo.go         {"oslo.version":…,"oslo.message":"{…}"}, bare notifications
//	                       ├─► nameko.go       headers nameko.call_id_stack; exchange nameko-rpc
//	                       ├─► celery.go       headers task, id, root_id, parent_id; {"task":…}; {"status":…,"task_id":…}
//	                       ├─► masstransit.go  {"messageType":["urn:message:…"],…}
//	Record ──► Set.Decode ─┼─► spring.go       headers __TypeId__; serialised Java
//	                       ├─► moleculer.go    queues MOL.REQB.ACTION, MOL.RES.NODE, …
//	                       ├─► jsonrpc.go      {"jsonrpc":"2.0",…}
//	                       ├─► direct.go       reply_to amq.rabbitmq.reply-to.…
//	                       └─► plain.go        reply_to and correlation_id
//
// The first dialect that knows a message wins, so the specific stand before the general.
//
// Bodies carry tokens, passwords and whatever the watched programs send each other. So a dialect
// reads the members that it has a list of and walks over all others without copying them; that
// is what scanner.go is for. It needs no allocation, no recursion and one pass. Of arguments those alone are
// read that rules name (Set.ReadArgs), and only objects on the way to one are entered.
//
// A new dialect is one file and one line: a type with the two methods of Dialect, and its place in the registry of dialect.go, which is the
// order of asking. Its word in the configuration, the list of known words in that one's errors, the tag rpc.system and its row
// on the status page follow from there. A dialect asks first what is cheap and rules out most (a property, the first byte of the
// body): BenchmarkNotMine shows what it costs the messages of others, which is to be a few nanoseconds. What it fills in is told at
// spanbuilder.Message; where a reply may have no mark of its protocol, shared.isReply knows it by its address. Recordings that are put into
// ../../integration/testdata/NAME are replayed by the integration tests with no further word, and a list in wild_test.go holds the dialect to them.
//
// What goes wrong with a body is a Verdict, never an error or a panic: TooLarge and TooDeep are
// limits of this package, BadJSON and BadField are the sender's doing. The caller counts them.
package dialect
