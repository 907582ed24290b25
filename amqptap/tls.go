package amqptap

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// TLS names the certificates of an amqps connection. There is no way to leave the broker's unverified.
type TLS struct {
	// File of PEM certificates of the authorities that may sign the broker's. Default: the system's.
	CA string `json:"ca,omitempty"`
	// File of the PEM certificate that the tap shows to the broker. Default: none.
	Cert string `json:"cert,omitempty"`
	// File of that certificate's key.
	Key string `json:"key,omitempty"`
}

// check is what can be said before placeholders are known.
func (t *TLS) check() error {
	if (t.Cert == "") != (t.Key == "") {
		return errors.New("tls: cert needs both files, the certificate's and the key's")
	}
	if strings.ContainsRune(t.CA+t.Cert+t.Key, '{') {
		return nil
	}
	_, err := t.load("")
	return err
}

func (t *TLS) resolve(repl *caddy.Replacer) *TLS {
	if t == nil {
		return nil
	}
	return &TLS{CA: repl.ReplaceAll(t.CA, ""), Cert: repl.ReplaceAll(t.Cert, ""), Key: repl.ReplaceAll(t.Key, "")}
}

// load reads the files. It is done at each connection, so that renewed ones come into use by themselves.
func (t *TLS) load(host string) (*tls.Config, error) {
	// amqp091-go sets a floor only where it makes the configuration itself.
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if t == nil {
		return c, nil
	}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("tls ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls ca: %s holds no PEM certificate", t.CA)
		}
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("tls cert: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
