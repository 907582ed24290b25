package words

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/stretchr/testify/require"
)

func TestAPlaceHasTheColumnOfItsWord(t *testing.T) {
	file := filepath.Join(t.TempDir(), "Caddyfile")
	require.NoError(t, os.WriteFile(file, []byte("a {\n\tkeys monkey key; kee\n}\n"), 0o600))
	bad := errors.New("bad")
	for word, want := range map[string]string{
		"keys":   "bad, at " + file + ":2:2",
		"key":    "bad, at " + file + ":2:14", // not the one in keys or monkey
		"kee":    "bad, at " + file + ":2:19",
		"absent": "bad, at " + file + ":2", // it came from a placeholder
	} {
		err := Place{file, 2, word}.Wrap(bad)
		require.ErrorIs(t, err, bad)
		require.EqualError(t, err, want)
	}
	require.EqualError(t, Place{file, 99, "key"}.Wrap(bad), "bad, at "+file+":99")
	require.EqualError(t, Place{file + ".gone", 2, "key"}.Wrap(bad), "bad, at "+file+".gone:2")
	require.EqualError(t, Place{os.DevNull, 1, "key"}.Wrap(bad), "bad, at "+os.DevNull+":1")
}

func TestAnUnknownWordIsToldWithItsPlaceAndItsNeighbour(t *testing.T) {
	file := filepath.Join(t.TempDir(), "Caddyfile")
	text := []byte("block {\n\t  servce x\n}\n")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	tokens, err := caddyfile.Tokenize(text, file)
	require.NoError(t, err)
	var service string
	parse := func(d *caddyfile.Dispenser) error {
		d.Next()
		return Block{"service": String(&service)}.Parse(d, "block", nil)
	}
	require.EqualError(t, parse(caddyfile.NewDispenser(tokens)),
		"unknown word 'servce' in 'block': did you mean 'service'? valid words are service, at "+file+":2:4")
	require.EqualError(t, parse(caddyfile.NewTestDispenser(string(text))),
		"unknown word 'servce' in 'block': did you mean 'service'? valid words are service, at Testfile:2")
}
