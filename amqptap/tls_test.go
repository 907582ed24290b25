package amqptap

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// authority signs one certificate, for 127.0.0.1, and is a file that can be trusted.
func authority(t *testing.T) (server tls.Certificate, caFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, caFile
}

// encrypted puts TLS before a port, as a load balancer does, and returns its own.
func encrypted(t *testing.T, c tls.Certificate, port int) int {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{c}})
	require.NoError(t, err)
	var all sync.WaitGroup
	t.Cleanup(func() { l.Close(); all.Wait() })
	pass := func(to, from net.Conn) { _, _ = io.Copy(to, from); to.Close() }
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				client.Close()
				continue
			}
			all.Go(func() { pass(server, client) })
			all.Go(func() { pass(client, server) })
		}
	})
	return l.Addr().(*net.TCPAddr).Port
}

func TestEncryptedConnectionIsVerified(t *testing.T) {
	node := broker(t)
	certificate, ca := authority(t)
	port := encrypted(t, certificate, node.Port)
	url := fmt.Sprintf("amqps://guest:guest@127.0.0.1:%d/", port)

	tap := start(t, &Source{URL: url, TLS: &TLS{CA: ca}})
	tap.awaitConnected(t)
	tap.seesCalls(t, node.URL(), "encrypted", 1)
	require.NoError(t, tap.Stop())

	stranger := start(t, &Source{URL: url})
	_, fields := stranger.awaitLog(t, "cannot tap the broker")
	require.Contains(t, fields["error"], "certificate signed by unknown authority")
	require.Contains(t, fields["advice"], "tls { ca FILE }")
	require.NoError(t, stranger.Stop())

	elsewhere := start(t, &Source{URL: fmt.Sprintf("amqps://guest:guest@localhost:%d/", port), TLS: &TLS{CA: ca}})
	_, fields = elsewhere.awaitLog(t, "cannot tap the broker")
	require.Contains(t, fields["error"], "certificate is not valid for any names")
	require.NoError(t, elsewhere.Stop())
}
