package management

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTagsOfOldAndNewBrokers(t *testing.T) {
	for answer, want := range map[string][]string{
		`{"name": "tap", "tags": ["monitoring", "management"]}`: {"monitoring", "management"},
		`{"name": "tap", "tags": "monitoring,management"}`:      {"monitoring", "management"},
		`{"name": "tap", "tags": ""}`:                           nil,
		`{"name": "tap", "tags": []}`:                           {},
		`{"name": "tap"}`:                                       nil,
	} {
		u, err := fake(t, says(200, answer)).WhoAmI(t.Context())
		require.NoError(t, err)
		require.Equal(t, User{Name: "tap", Tags: want}, u, answer)
	}
	_, err := fake(t, says(401, "")).WhoAmI(t.Context())
	require.ErrorIs(t, err, ErrNotAllowed)
}

func TestPoliciesAndTheirDangers(t *testing.T) {
	all, err := fake(t, says(200, `[{"vhost": "/", "name": "all", "pattern": ".*", "apply-to": "queues", "definition": {"overflow": "reject-publish", "max-length": 1}, "priority": 3}]`)).Policies(t.Context(), "/", true)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, 3, all[0].Priority)
	require.Equal(t, []string{"overflow: reject-publish"}, all[0].Dangers())
}
