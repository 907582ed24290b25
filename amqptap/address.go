package amqptap

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	amqp "github.com/rabbitmq/amqp091-go"
)

// resolveAddress replaces the placeholders of a broker's URL, such as {env.TAP_PASSWORD}. Within
// user and password the values are taken as they are, so that a password may hold any character without
// being percent-encoded first. A placeholder that is unknown or empty is an error: a tap
// without its password would only be refused by the broker with a less telling one.
func resolveAddress(address string, repl *caddy.Replacer) (string, error) {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok { // {env.BROKER_URL} alone
		return repl.ReplaceOrErr(address, true, true)
	}
	var user string
	if at := endOfUser(rest); at >= 0 {
		var err error
		if user, err = resolveUser(rest[:at], repl); err != nil {
			return "", err
		}
		user += "@"
		rest = rest[at+1:]
	}
	rest, err := repl.ReplaceOrErr(rest, true, true)
	if err != nil {
		return "", err
	}
	return scheme + "://" + user + rest, nil
}

// endOfUser finds the @ behind user and password, -1 if there are none.
func endOfUser(rest string) int {
	end := len(rest)
	for i, inside := 0, false; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '{':
			inside = true
		case c == '}':
			inside = false
		case !inside && strings.IndexByte("/?#", c) >= 0:
			end = min(end, i)
		}
	}
	return strings.LastIndexByte(rest[:end], '@')
}

func resolveUser(user string, repl *caddy.Replacer) (string, error) {
	var missing error
	resolved, err := repl.ReplaceFunc(user, func(name string, v any) (any, error) {
		s := caddy.ToString(v)
		if s == "" {
			missing = fmt.Errorf("placeholder {%s} is unknown or empty", name)
		}
		return escapeUser(s), nil
	})
	return resolved, errors.Join(err, missing)
}

// escapeUser percent-encodes all that could end a user or password, and white space with it.
func escapeUser(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

// parseAddress reads a URL without placeholders. Its errors do not quote it, since it holds a password.
func parseAddress(address string) (amqp.URI, error) {
	u, err := url.Parse(address)
	if err != nil {
		// url.Error names the URL; what it wraps may quote a part, such as the port, that is the password
		// when an @ is missing.
		return amqp.URI{}, errors.New("the broker's URL is malformed: want amqp://USER:PASSWORD@HOST:PORT/VHOST, with special characters percent-encoded")
	}
	switch {
	case u.Scheme != "amqp" && u.Scheme != "amqps":
		return amqp.URI{}, fmt.Errorf("the broker's URL begins with %q: want amqp:// or amqps://", u.Scheme+"://")
	case u.Hostname() == "":
		return amqp.URI{}, errors.New("the broker's URL names no host")
	case u.RawQuery != "" || u.Fragment != "":
		return amqp.URI{}, errors.New("the broker's URL has options after '?' or '#': set heartbeat, tls and the like in the block instead")
	}
	uri, err := amqp.ParseURI(address)
	if err != nil {
		return amqp.URI{}, errors.New("the broker's URL is malformed: want amqp://USER:PASSWORD@HOST:PORT/VHOST")
	}
	if u.User == nil { // not guest yet: a certificate may say who we are
		uri.Username, uri.Password = "", ""
	}
	return uri, nil
}

// checkAddress is what can be said of a URL before its placeholders are known.
func checkAddress(address string) error {
	if address == "" {
		return errors.New("the broker's URL is missing: want amqp://USER:PASSWORD@HOST:PORT/VHOST")
	}
	if strings.HasPrefix(address, "{") {
		return nil
	}
	// With every placeholder replaced by a digit what remains must be a URL; a digit may stand anywhere, even for a port.
	repl := caddy.NewEmptyReplacer()
	repl.Map(func(string) (any, bool) { return "1", true })
	plain, err := resolveAddress(address, repl)
	if err != nil {
		return errors.New("the broker's URL has a malformed placeholder")
	}
	_, err = parseAddress(plain)
	return err
}

// redact removes the password from a text that a library made.
func redact(text, password string) string {
	if password == "" {
		return text
	}
	text = strings.ReplaceAll(text, password, "xxxxx")
	return strings.ReplaceAll(text, escapeUser(password), "xxxxx")
}
