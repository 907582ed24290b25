// Command calltap is Caddy with its standard modules and calltap's own.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/calltap/calltap/amqptap"
	_ "github.com/calltap/calltap/caddymodule"
)

func main() { caddycmd.Main() }
