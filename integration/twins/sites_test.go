package twins

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/calltap/calltap/integration/ports"
)

// site is one side of a pair: the same routes on a plain and a TLS port.
type site struct {
	name       string
	directives string   // in front of the routes
	transport  string   // of all proxies, by default http
	plain, tls int      // ports
	adds       []string // request headers that it changes beyond headersOfOurs
	own        bool     // each attempt to reach an upstream has trace headers of its own
	leaves     bool     // the request goes on as it came
	tells      string   // a response header that it adds
	logs       bool     // there is an access log, which wraps responses too
	unrecorded bool     // its spans are not sampled, or there are none
}

// stage is a running Caddy with all sites.
type stage struct {
	sites []*site
	pool  *x509.CertPool
}

// behind is what stands in front of the routes of every site.
const routesOfSites = `
	handle /do/* {
		script
	}
	handle /errors/* {
		script
	}
	handle /encode/* {
		encode {
			gzip
			minimum_length 50
		}
		script
	}
	handle /proxy/* {
		bodiless
		reverse_proxy UPSTREAM {
			transport TRANSPORT
		}
	}
	handle /stream/* {
		bodiless
		reverse_proxy UPSTREAM {
			flush_interval -1
			transport TRANSPORT
		}
	}
	handle /h2up/* {
		reverse_proxy h2c://UPSTREAM {
			transport TRANSPORT
		}
	}
	handle /buffered/* {
		reverse_proxy UPSTREAM {
			request_buffers 4KiB
			response_buffers 4KiB
			transport TRANSPORT
		}
	}
	handle /retry/* {
		bodiless
		reverse_proxy DEAD UPSTREAM {
			lb_policy turns
			lb_retries 3
			transport TRANSPORT {
				keepalive off # on a connection that was used before, the transport tries again by itself
			}
		}
	}
	handle /again/* {
		reverse_proxy UPSTREAM {
			lb_retries 3
			lb_retry_match "{rp.status_code} == 503"
			request_buffers 128KiB
			transport TRANSPORT {
				keepalive off
			}
		}
	}
	handle /dead/* {
		reverse_proxy DEAD {
			transport TRANSPORT
		}
	}
	handle_path /files/* {
		root FILES
		encode gzip
		file_server
	}
	handle_path /rewritten/* {
		rewrite /do{path}?{query}&rewritten=yes
		script
	}
	# A CONNECT to an authority has no path; a header says where it goes.
	@to_do header X-Route do
	handle @to_do {
		script
	}
	@to_proxy header X-Route proxy
	handle @to_proxy {
		reverse_proxy UPSTREAM {
			transport TRANSPORT
		}
	}
	@to_stream header X-Route stream
	handle @to_stream {
		reverse_proxy UPSTREAM {
			flush_interval -1
			transport TRANSPORT
		}
	}
	@to_h2up header X-Route h2up
	handle @to_h2up {
		reverse_proxy h2c://UPSTREAM {
			transport TRANSPORT
		}
	}
	handle {
		respond "there is nothing at {http.request.orig_uri.path}" 404
	}
	handle_errors {
		header X-Handled {err.status_code}
		respond /errors/* "handled {err.status_code} {err.status_text}"
	}
`

// open runs the sites in this process until the test ends, with this global option beside the sinks.
func open(t *testing.T, option string, sites []*site) *stage {
	t.Helper()
	old := goleak.IgnoreCurrent()
	t.Cleanup(func() { require.NoError(t, awaitQuiet(old)) }) // spans may still be on their way to a Zipkin of the test's
	dir := t.TempDir()
	cert, key, pool := certificate(t, dir)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	up := httptest.NewUnstartedServer(http.HandlerFunc(upstream))
	up.Config.Protocols = protocols
	up.Config.ErrorLog = silent
	up.Start()
	t.Cleanup(up.Close)
	for name, size := range map[string]int{"file.txt": 500, "big.bin": 300_000, "empty": 0} {
		text := filler("[file]", size)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text[:size]), 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o700))
	routes := strings.NewReplacer("UPSTREAM", up.Listener.Addr().String(), "DEAD", fmt.Sprintf("127.0.0.1:%d", freePort(t)), "FILES", dir).Replace(routesOfSites)
	var config strings.Builder
	fmt.Fprintf(&config, `{
		admin off
		persist_config off
		auto_https off
		grace_period 2s
		skip_install_trust
		log {
			output discard
		}
		servers {
			protocols h1 h2 h2c h3
			enable_full_duplex
		}
		order script before respond
		order bodiless before reverse_proxy
		order sabotage before tracing
		calltap {
			%s
		}
	}
	`, option)
	for _, s := range sites {
		s.plain, s.tls = freePort(t), freePort(t)
		routes := strings.ReplaceAll(routes, "TRANSPORT", cmp.Or(s.transport, "http"))
		fmt.Fprintf(&config, "http://:%d {\n%s\n%s\n}\n", s.plain, s.directives, routes)
		fmt.Fprintf(&config, "https://:%d {\ntls %s %s\n%s\n%s\n}\n", s.tls, cert, key, s.directives, routes)
	}
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(config.String()), map[string]any{"filename": "Caddyfile"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, caddy.Stop()) })
	require.NoError(t, caddy.Load(adapted, true))
	return &stage{sites: sites, pool: pool}
}

// certificate makes one for localhost.
func certificate(t *testing.T, dir string) (cert, key string, pool *x509.CertPool) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	secret, err := x509.MarshalECPrivateKey(private)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool = x509.NewCertPool()
	pool.AddCert(parsed)
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret}), 0o600))
	return cert, key, pool
}

func freePort(t *testing.T) int {
	free, err := ports.Free(1)
	require.NoError(t, err)
	return free[0]
}
