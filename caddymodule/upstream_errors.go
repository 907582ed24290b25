package caddymodule

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// Classes of an error that a transport returns: few, and none with a word of the error's own text, which may hold addresses and paths.
const (
	classRefused     = "refused"     // nobody listens there
	classTimeout     = "timeout"     // dialling, a handshake or the response took too long
	classUnreachable = "unreachable" // no route
	classDNS         = "dns"         // the name has no address
	classTLS         = "tls"         // no agreement on TLS, or a certificate that is not believed
	classReset       = "reset"       // the connection was torn down
	classDial        = "dial"        // no connection for another reason
)

// errorClass finds the class of err, or returns otherwise.
func errorClass(err error, otherwise string) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok && !dns.IsTimeout {
		return classDNS
	}
	switch {
	case errors.Is(err, context.Canceled):
		return classClientGone
	case errors.Is(err, syscall.ECONNREFUSED):
		return classRefused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return classUnreachable
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), isTimeout(err):
		return classTimeout
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return classReset
	case isTLS(err):
		return classTLS
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return classNoResponse
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return classDial
	}
	if _, ok := errors.AsType[reverseproxy.DialError](err); ok {
		return classDial // whose own reason it hides
	}
	return otherwise
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

func isTLS(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error" // an alert of the other side
}
