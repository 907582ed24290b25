// Package rabbit starts a private RabbitMQ node for tests and the demo, and takes every trace of it
// away again.
//
//	node := rabbit.Start(t)          // own ports, own epmd, own folders, loopback only
//	node.Ctl(t, "trace_on")          // rabbitmqctl of this node
//	conn, err := amqp.Dial(node.URL())
//	node.Stop(t); node.Boot(t)       // the same node with its users and durable queues again
//
// Nothing is shared with a broker that may already run on the machine: the node has its own name,
// Erlang cookie, epmd, ports and data folder, and only the plugins asked for.
//
// What if the test process is killed? The node hangs on a pipe that the test process holds open: when
// that closes, for whatever reason, a guard shell ends the node and its epmd. See guard.sh.
package rabbit
