package rabbit

import (
	"fmt"

	"github.com/calltap/calltap/integration/ports"
)

// Secure is a node with a TLS port, at which clients must show a certificate of its authority and may log in with it.
type Secure struct {
	*Node
	*Authority
	TLSPort int
}

// LaunchSecure is Launch for a node with a TLS port, on which the mechanism EXTERNAL takes a certificate's common name for
// the user (https://www.rabbitmq.com/docs/ssl, rabbitmq_auth_mechanism_ssl).
func LaunchSecure(dir string) (*Secure, error) {
	n, err := prepare(dir)
	if err != nil {
		return nil, err
	}
	free, err := ports.Free(1)
	if err != nil {
		return nil, err
	}
	authority, err := NewAuthority(dir)
	if err != nil {
		return nil, err
	}
	s := &Secure{Node: n, Authority: authority, TLSPort: free[0]}
	cert, key, err := s.Certificate("localhost")
	if err != nil {
		return nil, err
	}
	n.conf = fmt.Sprintf(`listeners.ssl.1 = 127.0.0.1:%d
ssl_options.cacertfile = %s
ssl_options.certfile = %s
ssl_options.keyfile = %s
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
auth_mechanisms.1 = PLAIN
auth_mechanisms.2 = EXTERNAL
ssl_cert_login_from = common_name
`, s.TLSPort, s.CA, cert, key)
	if _, err := n.launch([]string{"rabbitmq_management", "rabbitmq_auth_mechanism_ssl"}); err != nil {
		return nil, err
	}
	return s, nil
}
