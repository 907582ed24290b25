package amqptap

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBrokersWhoseFirehoseHarmsTheirClients(t *testing.T) {
	for version, bad := range map[string]bool{"3.13.0": true, "3.13.4": true, "3.13.5": false, "3.12.14": false, "4.0.1": false,
		"3.10.8": false, "": false, "x": false, "3.13": false, "3.13.1+beta": true} {
		require.Equal(t, bad, parseVersion(version).breaksTraced(), version)
	}
}

func TestBrokersThatHideDirectReplies(t *testing.T) {
	for version, hides := range map[string]bool{"3.10.8": true, "4.1.9": true, "4.2.0": false, "5.0.0": false, "": false, "x": false} {
		require.Equal(t, hides, parseVersion(version).hidesDirectReplies(), version)
	}
	require.Equal(t, []string{breaksWarning, directNote}, versionNotes("3.13.2"))
	require.Empty(t, versionNotes("4.2.1"))
}
