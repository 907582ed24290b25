package amqptap

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"syscall"

	amqp "github.com/rabbitmq/amqp091-go"
)

// trouble is why there is no connection, and what can be done about it.
type trouble struct {
	doing   string // connecting, binding the queue, …
	err     error
	advice  string // "" if it passes by itself, such as a broker that restarts
	lasting bool   // will not pass by itself: retry seldom, log as an error
}

// Error says what went wrong without what to do about it.
func (t *trouble) Error() string { return t.doing + ": " + t.err.Error() }

func (t *trouble) Unwrap() error { return t.err }

// The steps of making a connection, as they are named in errors.
const (
	connecting = "connecting"
	declaring  = "declaring the queue"
	consuming  = "consuming"
)

func binding(exchange string) string { return "binding the queue to exchange " + exchange }

// diagnose explains an error of one step. exchange is set while binding.
func (s *settings) diagnose(doing, exchange string, err error) *trouble {
	t := &trouble{doing: doing, err: err}
	var stranger *tls.CertificateVerificationError
	if errors.As(err, &stranger) {
		t.advice = "the broker's certificate is not trusted, or for another name: give the file of its authority with tls { ca FILE }, and the host by the name in the certificate"
		t.lasting = true
		return t
	}
	var plain tls.RecordHeaderError
	switch {
	case errors.As(err, &plain):
		t.advice = "that port does not speak TLS: write the one that does, which is 5671 unless it was changed, or amqp:// in place of amqps://"
		return t
	case errors.Is(err, syscall.ECONNREFUSED):
		t.advice = "nothing listens there: start the broker, or correct host and port"
		return t
	}
	var closed *amqp.Error
	if !errors.As(err, &closed) {
		return t
	}
	switch {
	case strings.HasPrefix(closed.Reason, alert): // which comes after the handshake, so the library takes it for AMQP
		t.err, t.advice = errors.New(closed.Reason), s.adviseCertificate()
	case closed == amqp.ErrCredentials || closed == amqp.ErrVhost:
		// The library guesses at a wrong password whenever the socket is closed at this point, also by a
		// broker that is going down.
		t.err = errors.New("the broker closed the connection during the login")
		return t
	case doing == connecting && closed.Code == amqp.AccessRefused && !strings.Contains(closed.Reason, "vhost"):
		t.advice = s.adviseLogin()
	case doing == connecting && (closed.Code == amqp.NotAllowed || closed.Code == amqp.AccessRefused):
		t.advice = s.adviseVHost()
	case closed.Code == amqp.AccessRefused:
		t.advice = "grant the tap its rights: " + s.grant()
	case closed.Code == amqp.NotFound && exchange != "":
		t.advice = fmt.Sprintf("vhost %q has no exchange %q: correct the name, or start the service that declares it; the tap declares none",
			s.URI.Vhost, exchange)
	case closed.Code == amqp.InternalError || strings.Contains(closed.Reason, amqp.ErrFrameTooLarge.Reason):
		// Not any FrameError: the library makes one of whatever ends its reading, such as a reset by the network. These pass, when the message that caused them has: seldom enough not to need advice, but not a mystery.
		t.advice = "a message with headers of some 128 KiB, or a queue with a name of 248 bytes or more, makes the broker drop the tap; no other client is affected"
		return t
	}
	t.lasting = t.advice != ""
	return t
}

// alert begins what a TLS peer says when it refuses a connection.
const alert = "remote error: tls: "

func (s *settings) adviseCertificate() string {
	if s.TLS == nil || s.TLS.Cert == "" {
		return "the broker wants a certificate of each client: give one that its authority has signed, with tls { cert FILE KEYFILE }"
	}
	return "the broker does not take the certificate in " + s.TLS.Cert + ": it must be signed by an authority that the broker trusts (its ssl_options.cacertfile), and still be valid"
}

func (s *settings) adviseLogin() string {
	if s.URI.Username == "" {
		return fmt.Sprintf("the broker takes the name of the user from the certificate, and knows no %s: rabbitmqctl add_user %s PASSWORD, rabbitmqctl clear_password %s, then %s",
			quote(s.user()), quote(s.user()), quote(s.user()), s.grant())
	}
	user := quote(s.user())
	advice := fmt.Sprintf("create the user or correct its password: rabbitmqctl add_user %s PASSWORD (or change_password %s PASSWORD), then %s", user, user, s.grant())
	if ip := net.ParseIP(s.URI.Host); s.URI.Username == "guest" && s.URI.Host != "localhost" && !ip.IsLoopback() {
		advice += "; guest may log in from the broker's own machine only"
	}
	return advice
}

// user is the name that the broker knows the tap by, as far as it is known here: of a certificate, its common name, which is
// what brokers take if they are told to (ssl_cert_login_from = common_name).
func (s *settings) user() string {
	if s.URI.Username != "" {
		return s.URI.Username
	}
	if c, err := s.TLS.load(""); err == nil && len(c.Certificates) > 0 && c.Certificates[0].Leaf != nil {
		if name := c.Certificates[0].Leaf.Subject.CommonName; name != "" {
			return name
		}
	}
	return "USER-OF-THE-CERTIFICATE"
}

func (s *settings) adviseVHost() string {
	return fmt.Sprintf("create the vhost or give the user access to it: rabbitmqctl add_vhost %s, then %s", quote(s.URI.Vhost), s.grant())
}

// grant is the command that gives the tap's user the least rights that suffice.
func (s *settings) grant() string {
	own := "^" + regexp.QuoteMeta(s.Queue)
	read := []string{regexp.QuoteMeta(s.Queue)}
	for _, b := range s.bindings() {
		read = append(read, regexp.QuoteMeta(b.Exchange)+"$")
	}
	return fmt.Sprintf("rabbitmqctl set_permissions -p %s %s %s %s %s", quote(s.URI.Vhost), quote(s.user()),
		quote(own), quote(own), quote("^("+strings.Join(read, "|")+")"))
}

// quote makes a word of a shell command.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
