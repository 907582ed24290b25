// Package keyrules turns the facts about one call into the names under which it is counted and
// shown: a metric key, a span name, a service and an action. One rule file serves HTTP and RPC, so
// the same call has the same key in StatsD and Zipkin. The package does no I/O and knows nothing of
// Caddy or AMQP.
//
// In goes a [Call], what was seen from outside. Out comes a [Result], always: lookups cannot fail.
//
//	Config ── Compile ──► Set
//	                       │
//	Call ── facts ── cache ┼─ hit ────────────────────────────────────────────► Result
//	        (only what     │
//	        rules read)    └─ miss ─► index ─► rule ─► templates ─► safe ─► bounded tables
//	                                  (radix)   └ none: the default
//
// # The language
//
// Rules stand in the keys block of the Caddyfile's global calltap option. Statements of a block are
// separated by newlines or by ` ; `.
//
//	keys {
//	    use process_stack nova.api {          # a built-in: tach's key for HTTP
//	        strip /v2.1
//	    }
//	    use queue_receive nova.compute        # a built-in: tach's key for RPC whose topic is compute
//	    rule GET /v2.1/servers/{id} {
//	        key nova.api.servers.{action}.{method}
//	        action show
//	    }
//	    rule POST /v2.1/servers/{id}/action key nova.api.servers.{action}.{method} ; action {json.0}
//	    rule rpc {
//	        topic compute*
//	        method build_and_run_instance
//	        key nova.compute.{rpc.method}
//	        service rpc{rpc.method}
//	    }
//	    ignore GET /healthcheck
//	    max_keys 2000
//	}
//
// As a grammar:
//
//	keys      = { use | rule | ignore | "max_keys" NUMBER }
//	use       = "use" ( "process_stack" | "queue_receive" ) PREFIX [ block ]
//	rule      = "rule" head [ block ]
//	ignore    = "ignore" head [ block ]
//	head      = [ METHOD { "," METHOD } | "*" ] [ PATH ] | "http" [ METHOD ] [ PATH ] | "rpc"
//	block     = "{" statement { ( NEWLINE | ";" ) statement } "}"
//	statement = "strip" PATH …                                              (process_stack)
//	          | "method" METHOD … | "path" PATH | "host" GLOB               (HTTP)
//	          | "method" GLOB | "exchange" GLOB | "routing_key" GLOB | "queue" GLOB
//	          | "topic" GLOB | "namespace" GLOB                             (RPC)
//	          | "key" TEMPLATE | "name" TEMPLATE | "service" TEMPLATE | "action" TEMPLATE
//
// `span` is another word for name, `rpc_method` for an RPC's method. [Rule.SetHead] and [Rule.Set]
// read heads and statements, so that a parser of files needs to know none of these words.
//
// Which rule: the first that matches, in order, rules and ignores together. A rule matches if all its
// matchers hold. Built-ins come after all of them, wherever they are written, in their own order:
// they match a whole API and would else hide every line below. A call that nothing matches gets the
// default. A path matches segment by segment; double slashes and one at the end do not count.
//
//	servers      that word           {id}   one segment, captured as {id}
//	*            one segment         **     the rest, or nothing; comes last
//
// Everything else matches as a whole, with `*` for any text. A host matches without its port unless
// the rule names one, and in any case.
//
// # Templates
//
// A template is text with names in braces:
//
//	{id}, …                     what the path captured; goes before calltap's own names
//	{path.N}                    segment N of the path, from 0
//	{method} {host} {status} {status.class}           GET, host without port, 204, 2xx
//	{route}                     in a key the words of the path, dotted; in a name its pattern
//	{json.0}                    the first key of a POST's JSON body
//	{rpc.method} {exchange} {topic} {queue} {routing_key} {namespace} {form}          of an RPC
//	{error} {action} {service}  class of the failure, and what the rule itself came to
//
// In a key, literal dots part segments, and a value is part of one segment, whatever is in it. An
// output without a template has a default:
//
//	        HTTP                                                 RPC
//	key     <service>.<words of the path>.<action>.<METHOD>      <service or topic>.<method>
//	name    METHOD /pattern, ids as {id}                         method
//	service the call's own                                       the call's own
//	action  by REST shape, see below                             none
//
// # Built-ins
//
// process_stack gives PREFIX, then the first three elements of PATH_INFO.split('/') (the first is
// empty), the action and the method: nova.api.servers.detail.detail.GET. These are tach's own
// strings, ids and all; strip takes the mount point off, as WSGI does. queue_receive gives PREFIX and
// the RPC's method. Without a matcher it takes the topic that PREFIX ends with.
//
// # What is an action, what is an id
//
// Where no rule says, the action follows from method and path: GET of a collection is index, of a
// member show; POST create; PUT and PATCH update, of a collection update_all; DELETE delete; a known
// verb at the end (detail) is itself; and of POST …/action it is the first key of the JSON body.
//
// Segments that look like ids (numbers, UUIDs, hex, dates, e-mail, base64, anything no word is made
// of) become {id} in names and vanish from keys. Words stay, v2.1 and os-volumes_boot and @user too.
//
// # Failure behaviour
//
// Nothing that comes over the wire fails, blocks or grows. The first 4 KiB of each string are read.
// What may not stand in a key becomes '_'; segments end at 80 bytes and keys at 250, long ones in a
// hash of the whole. At most [Config.MaxKeys] keys are made: further ones become `_other`, which
// [Set.Overflows] counts. Names, services and actions are bounded alike. Constant keys are never
// turned away. The cache is of fixed size. A wrong Config is an error of [Compile] that begins with
// FILE:LINE and tells the fix.
package keyrules
