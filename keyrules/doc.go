// Package keyrules turns the facts about one call into the names under which it is counted and
// shown: a metric key, a span name, a service and an action. One rule file serves HTTP and RPC, so
// the same call has the same key in StatsD and Zipkin. The package does no I/O and knows nothing of
// Caddy or AMQP.
//
// In goes a [Call], what was seen from outside. Out comes a [Result], always: lookups cannot fail.
//
//	Config ── Compile ──► Set ── With ──► Set of a site
//	                       │
//	Call ── facts ── cache ┼─ hit ────────────────────────────────────────────► Result
//	        (only what     │
//	        rules read)    └─ miss ─► index ─► rule ─► templates ─► safe ─► bounded tables
//	                                  (radix)   ├ built-in                      │
//	                                            └ none: route table, default    └► Unmatched, Offenders
//
// # The language
//
// Rules stand in the keys block of the Caddyfile's global calltap option, or in a file of their own
// ([ParseRules]). Statements of a block are separated by newlines or by ` ; `.
//
//	keys {
//	    use process_stack nova.api {          # a built-in: tach's key for HTTP
//	        strip /v2.1
//	    }
//	    use queue_receive nova.compute        # a built-in: tach's key for RPC whose topic is compute
//	    under /v2.1 {
//	        service nova
//	        rule GET /servers/{id:[0-9a-f-]+} key nova.api.servers.{action}.{method} ; action show
//	        rule POST /servers/{id}/action {
//	            key nova.api.servers.{action}.{method}
//	            action {json.0}
//	            note {status.class}
//	        }
//	    }
//	    rule rpc {
//	        topic conductor
//	        method object_*
//	        key nova.conductor.{rpc.arg.objname}.{rpc.arg.objmethod}
//	    }
//	    ignore GET /healthcheck
//	    routes nova.tsv prefix /v2.1 key nova.api.{route}.{action}.{method}
//	    rules shop.rules
//	    max_keys 2000
//	}
//
// As a grammar:
//
//	keys      = { line }
//	line      = use | rule | ignore | under | routes | "rules" FILE | "max_keys" NUMBER
//	use       = "use" BUILTIN PREFIX [ block ]
//	BUILTIN   = "process_stack" | "queue_receive" | "network_queue_receive" | "scheduler_queue_receive"
//	rule      = "rule" head [ block ]
//	ignore    = "ignore" head [ block ]
//	head      = [ METHOD { "," METHOD } | "*" ] [ PATH ] | "http" [ METHOD ] [ PATH ] | "rpc"
//	under     = "under" PATH "{" { line | "service" TEXT | "category" TEXT | "host" GLOB } "}"
//	routes    = "routes" FILE { ( "prefix" PATH | "key" TEMPLATE | "service" TEXT | "host" GLOB ) }
//	block     = "{" statement { ( NEWLINE | ";" ) statement } "}"
//	statement = matcher | output | "max_keys" NUMBER
//	          | "strip" PATH … | "segment" NUMBER                           (process_stack)
//	matcher   = "method" METHOD … | "path" PATH | "host" GLOB | "status" STATUS …
//	          | "header" NAME [ GLOB ] | "json" GLOB                        (HTTP)
//	          | "method" GLOB | "exchange" GLOB | "routing_key" GLOB | "queue" GLOB
//	          | "topic" GLOB | "namespace" GLOB | "form" GLOB               (RPC)
//	output    = "key" TEMPLATE | "name" TEMPLATE | "service" TEMPLATE | "action" TEMPLATE
//	          | "category" TEMPLATE | "tag" NAME TEMPLATE | "note" TEMPLATE …
//	          | "sample" ( SHARE | "off" | "always" )
//	PATH      = "/" segment { "/" segment }
//	segment   = WORD | "{" NAME "}" | "{" NAME ":" REGEX "}" | "*" | "**" (the last)
//	STATUS    = "404" | "5xx"
//	SHARE     = a number from 0 to 1
//
// `span` is another word for name, `rpc_method` for an RPC's method. [Rule.SetHead] and [Rule.Set]
// read heads and statements, and [Group] what `under` means, so that a parser of files needs to know
// none of these words.
//
// Which rule: the first that matches, in order, rules and ignores together; a site's own before the
// others ([Set.With]). A rule matches if all its matchers hold. Built-ins come after all of them,
// wherever they are written, in their own order: they match a whole API and would else hide every line
// below. A call that nothing matches gets its line in a route table, else the default. A route table
// with a key goes before built-ins, too. A path matches segment by segment; double slashes and one at
// the end do not count.
//
//	servers      that word           {id}          one segment, captured as {id}
//	*            one segment         {id:[0-9]+}   one that the expression (RE2) matches as a whole
//	**           the rest, or nothing; comes last
//
// Everything else matches as a whole, with `*` for any text. A host matches without its port unless
// the rule names one, and in any case. A header without a value is: it is there. json is the first key
// of the body of a POST, PUT or PATCH.
//
// # Templates
//
// A template is text with names in braces:
//
//	{id}, …                     what the path captured; goes before calltap's own names
//	{path.N} {path[:N]}         segment N of the path, from 0; its first N segments
//	{method} {host} {status} {status.class}           GET, host without port, 204, 2xx
//	{route}                     in a key the words of the path, dotted; in a name its pattern
//	{json.0} {json.PATH}        the first key of a JSON body; a value in it: {json.server.name}
//	{header.NAME}               of the request
//	{rpc.method} {exchange} {topic} {queue} {routing_key} {namespace} {form}          of an RPC
//	{rpc.arg.NAME}              an argument, by a dotted path; see below
//	{error} {action} {service}  class of the failure, and what the rule itself came to
//
// Behind a name, filters: {method|lower}; {rpc.method|snake} makes get_by_id of getByID;
// {rpc.arg.kind|or:none} puts something in the place of nothing.
//
// In a key, literal dots part segments, and a value is part of one segment, whatever is in it. An
// output without a template has a default; category, tags and notes have none:
//
//	        HTTP                                                 RPC
//	key     <service>.<words of the path>.<action>.<METHOD>      <service or topic>.<method>
//	name    METHOD /pattern, ids as {id}                         method
//	service the call's own                                       the call's own
//	action  by table, body or REST shape, see below              none
//
// Headers, values of a body and RPC arguments are read only if a rule names them; [Set.Needs] lists
// which, and nothing else is ever asked for. {rpc.arg.objname} is, where there is no such argument, the
// name of the object that the method is called on, as oslo.versionedobjects sends it.
//
// # Recording
//
// What of a call is recorded in traces is no name, but rules know best which calls are worth it. `sample 0.1` is a share of the
// traces that begin with such a call, in place of that of site and app; a caller's own decision goes before it. `sample off` and `sample
// always` are of the calls themselves, and nothing goes before them. Metrics count every call. [Set.Peek] tells it where the rule is
// certain before the call; a rule that looks at status or body is not.
//
// # Built-ins
//
// process_stack gives PREFIX, then the first three elements of PATH_INFO.split('/') (the first is
// empty), the action and the method: nova.api.servers.detail.detail.GET. With `segment 2` it is the
// third element alone, as in tach's later form. These are tach's own strings, ids and all; strip takes
// the mount point off, as WSGI does. The others give PREFIX and the RPC's method. Without a matcher
// queue_receive takes the topic that PREFIX ends with, network_queue_receive `network`, and
// scheduler_queue_receive `scheduler`.
//
// # What is an action, what is an id
//
// The action is asked of the rule; of the route table ([ParseRoutes]); for POST …/action of the first
// key of the JSON body; then it follows from method and path: GET of a collection is index, of a member
// show; POST create; PUT and PATCH update, of a collection update_all; DELETE delete; and a known verb
// or view at the end (detail, reboot) is itself. A table that says `action` of a POST …/action leaves
// it to the body. [Set.Explain] tells where an action comes from.
//
// Segments that look like ids (numbers, UUIDs, hex, dates, e-mail, base64, anything no word is made
// of) become {id} in names and vanish from keys. Words stay, v2.1 and os-volumes_boot and @user too.
//
// # Learning
//
// [Set.Unmatched] lists the calls that no rule took, with counts, and [StarterRules] writes a rule file
// for them. [Set.Warnings] tells of rules that no call can reach, and of keys that make a metric of
// each id.
//
// # Failure behaviour
//
// Nothing that comes over the wire fails, blocks or grows. The first 4 KiB of each string are read.
// What may not stand in a key becomes '_'; segments end at 80 bytes and keys at 250, long ones in a
// hash of the whole. At most [Config.MaxKeys] keys are made: further ones become `_other`, which
// [Set.Overflows] counts and of which [Set.Offenders] has the first. Names, services, actions,
// categories and notes are bounded alike. Constant keys are never turned away. The cache is of fixed
// size. A wrong Config is an error of [Compile] that begins with FILE:LINE and tells the fix; one of
// [ParseRules] begins with FILE:LINE:COLUMN, and one of a Caddyfile ends with it.
package keyrules
