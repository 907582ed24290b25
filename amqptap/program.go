package amqptap

import (
	"strings"

	"github.com/calltap/calltap/spanbuilder"
)

// maxProgram is how long the name of a service may be that a connection's name tells.
const maxProgram = 64

// generic names say how a program is run, or which library it uses, not what it is.
var generic = map[string]bool{
	"": true, "uwsgi": true, "gunicorn": true, "mod_wsgi": true, "wsgi": true, "apache2": true, "httpd": true,
	"python": true, "python2": true, "python3": true, "pypy3": true, "java": true, "node": true, "nodejs": true, "ruby": true, "php": true,
	"php-fpm": true, "perl": true, "dotnet": true, "beam.smp": true, "main": true, "app": true, "server": true, "client": true, "worker": true,
	"consumer": true, "producer": true, "connection": true, "default": true, "undefined": true, "unknown": true, "localhost": true,
	"rabbitconnectionfactory": true, "connectionfactory": true, "amqplib": true, "pika": true, "kombu": true, "py-amqp": true, "amqp": true, "rabbitmq": true,
}

// identityOf reads what a client's connection says of its program. connection is the broker's name of it, PEER:PORT -> HOST:PORT;
// provided is what the client calls it, in forms such as
//
//	nova-compute:9996:59452e5e-b37b-4fae-81f6-79d9cd3fa8e5   oslo.messaging: PROGRAM:PID:UUID
//	celery@host, orders#3, orders-7d9c5b8f6-x2x8z:0           and what else people write: the program comes first
//
// Connections of one process are known by machine, program and process id; without the latter Process is empty. Names that say
// nothing of the program give no Service.
func identityOf(connection, provided string) (id spanbuilder.Identity) {
	parts := strings.FieldsFunc(provided, func(r rune) bool { return strings.ContainsRune(":#/@|, ", r) })
	if len(parts) == 0 {
		return id
	}
	program := bareProgram(parts[0])
	if !generic[strings.ToLower(program)] {
		id.Service = program
	}
	for _, p := range parts[1:] {
		if isPID(p) {
			id.Process = peerOf(connection) + "/" + parts[0] + ":" + p
			break
		}
	}
	return id
}

// bareProgram takes from a name what sets instances of one program apart; "" if there is nothing else, or it is no name.
func bareProgram(name string) string {
	if len(name) > 2*maxProgram {
		return ""
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f {
			return ""
		}
	}
	words := strings.Split(name, "-")
	for len(words) > 0 && volatileEnd(&words) {
	}
	program := strings.Trim(strings.Join(words, "-"), "-._")
	if len(program) > maxProgram {
		return ""
	}
	return program
}

// volatileEnd cuts the last piece off if it names an instance: a UUID, a number, hexadecimal digits, or what Kubernetes puts
// behind the name of a deployment's pods.
func volatileEnd(words *[]string) bool {
	w := *words
	n := len(w)
	last := w[n-1]
	switch {
	case n >= 5 && isHex(w[n-5], 8) && isHex(w[n-4], 4) && isHex(w[n-3], 4) && isHex(w[n-2], 4) && isHex(last, 12):
		*words = w[:n-5]
	case n >= 3 && len(last) == 5 && isPodWord(last) && len(w[n-2]) >= 8 && len(w[n-2]) <= 10 && isPodWord(w[n-2]):
		*words = w[:n-2]
	case last == "" || isNumber(last) || len(last) >= 8 && isHex(last, len(last)) && strings.ContainsAny(last, "0123456789"):
		*words = w[:n-1]
	default:
		return false
	}
	return true
}

// isPodWord is true of words of the alphabet that Kubernetes makes names of, which has no vowels and no 0, 1 and 3
// (k8s.io/apimachinery/pkg/util/rand).
func isPodWord(s string) bool { return strings.Trim(s, "bcdfghjklmnpqrstvwxz2456789") == "" }

func isHex(s string, length int) bool {
	return len(s) == length && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// isPID leaves out the small numbers that count instances.
func isPID(s string) bool { return isNumber(s) && len(s) >= 2 && len(s) <= 7 && s[0] != '0' }

// peerOf is the client's address in the broker's name of a connection, without port.
func peerOf(connection string) string {
	peer, _, _ := strings.Cut(connection, " -> ")
	if i := strings.LastIndexByte(peer, ':'); i >= 0 {
		peer = peer[:i]
	}
	return peer
}
