// Package management asks RabbitMQ's management API (https://www.rabbitmq.com/docs/management) the few questions that keep a tap
// harmless: what version and nodes, which alarms, who is connected, what policies and bindings there are, and whether
// the firehose is on. It changes one thing only, and only if told to: a vhost's firehose.
//
//	Client ──► GET /api/… ──► one struct a question, with the members that are used and no others
//
// What a user may ask depends on his tag, as tried on RabbitMQ 3.10:
//
//	management      Overview without nodes, VHosts that he may use, Alarms, Queue, Exchange, BindingsFrom; of Connections his own
//	monitoring      all of Overview, Nodes, all Connections
//	administrator   SetTracing
//
// Whether the firehose is on is known to each node for itself: VHost tells, and SetTracing changes, that of the node that
// answers. A cluster's nodes are therefore asked one by one; At makes a Client for another address.
//
// # Failure behaviour
//
// Each request ends in time and reads a bounded body; lists stop at a bound. Redirects are not followed and no proxy is used,
// so the password goes nowhere else. It is in no error; nor is anything that the server answered but its status.
package management
