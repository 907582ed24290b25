// Command calltap is Caddy with its standard modules and calltap's own.
package main

import (
	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/calltap/calltap/amqptap"
	_ "github.com/calltap/calltap/caddymodule"
)

const about = `calltap is Caddy with a tracing proxy inside: it stands in front of HTTP APIs and beside RabbitMQ,
and shows each request as one trace, with the RPC that it causes. No watched program is changed.

To try it:            make demo
To run it:            calltap run --config Caddyfile
To change it:         calltap reload --config Caddyfile
To see traces:        calltap trace list, calltap trace show ID
To switch tracing:    calltap control status, calltap control off, calltap control on
To ask the rules:     calltap explain --config Caddyfile GET /v2.1/servers/17
To see what no rule names, and begin with rules:
                      calltap keys, calltap keys --starter
To see whether a broker can be tapped:
                      calltap rabbitmq check --config Caddyfile
To record RPC, blanked of what it says, and try rules on it:
                      calltap record --config Caddyfile -o CAPTURE.jsonl.gz
                      calltap replay --config Caddyfile CAPTURE.jsonl.gz

All of Caddy's own commands and modules are here too.`

func main() {
	caddy.CustomBinaryName = "calltap"
	caddy.CustomLongDescription = about
	caddycmd.Main()
}
