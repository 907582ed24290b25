package caddymodule

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
)

func keysCommand(t *testing.T, wantErr string, args ...string) string {
	t.Helper()
	return runCommand(t, setUpKeys(&cobra.Command{Use: "keys"}), wantErr, args...)
}

// runCommand gives what a command prints, or sees that it fails with wantErr.
func runCommand(t *testing.T, cmd *cobra.Command, wantErr string, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(io.Discard)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	if wantErr != "" {
		require.ErrorContains(t, err, wantErr)
		return ""
	}
	require.NoError(t, err)
	return out.String()
}

// What was seen becomes a rule file, which a configuration takes and which then matches all that was seen.
func TestLearnedRulesMatchWhatWasSeen(t *testing.T) {
	admin, port := freePort(t), freePort(t)
	rules := filepath.Join(t.TempDir(), "learned.rules")
	config := func(keys string) string {
		return fmt.Sprintf("{\n\tadmin 127.0.0.1:%d\n\tcalltap {\n\t\tstore\n\t\tkeys {\n%s\n\t\t}\n\t}\n}\nhttp://127.0.0.1:%d {\n\tcalltap {\n\t\tservice shop\n\t}\n\trespond ok\n}\n", admin, keys, port)
	}
	base := fmt.Sprintf("http://127.0.0.1:%d", admin)
	site := fmt.Sprintf("http://127.0.0.1:%d", port)
	run(t, config("\t\t\trule GET /created key known"))
	require.Equal(t, "so far no call was seen that no rule matches\n", keysCommand(t, "", "--url", base))
	ask := func() {
		get(t, site+"/created")
		for range 3 {
			get(t, site+"/carts/17/items")
		}
		get(t, site+"/carts/18")
	}
	ask()
	require.Eventually(t, func() bool { return strings.Count(keysCommand(t, "", "--url", base), "\n") == 3 }, patience, 10*time.Millisecond)
	list := strings.Split(keysCommand(t, "", "--url", base), "\n")
	require.Equal(t, []string{"COUNT", "CALL", "KEY", "EXAMPLE"}, strings.Fields(list[0]))
	require.Equal(t, []string{"3", "GET", "/carts/{id}/items", "shop.carts.items.index.GET", "/carts/17/items"}, strings.Fields(list[1]))
	require.Equal(t, []string{"1", "GET", "/carts/{id}", "shop.carts.show.GET"}, strings.Fields(list[2])[:4])
	_, text := get(t, base+"/calltap/keys")
	require.Contains(t, text, `"unmatched_lost": 0`)

	starter := keysCommand(t, "", "--url", base, "--starter")
	require.NoError(t, os.WriteFile(rules, []byte(starter), 0o600))
	load(t, config("\t\t\trule GET /created key known\n\t\t\trules "+rules))
	ask()
	require.Equal(t, "so far no call was seen that no rule matches\n", keysCommand(t, "", "--url", base), starter)
}

func TestKeysThatHadNoRoomAreListed(t *testing.T) {
	set, err := keyrules.Compile(keyrules.Config{MaxKeys: 2})
	require.NoError(t, err)
	for i := range 5 {
		set.Resolve(&keyrules.Call{Kind: keyrules.HTTP, Method: "GET", Path: "/words/" + strings.Repeat("a", i) + "/x"})
	}
	var out bytes.Buffer
	s := keysOf(set)
	require.NoError(t, writeKeys(&out, s))
	require.NotZero(t, s.Overflows)
	require.Contains(t, out.String(), fmt.Sprintf("%d calls got the key _other", s.Overflows))
	require.Contains(t, out.String(), "  http.words.")
	require.Contains(t, out.String(), "(default)")
}

func TestKeysCommandNamesTheMistake(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "/calltap/keys", r.URL.Path)
		io.WriteString(w, "\x1b[31mnot json")
	}))
	defer other.Close()
	keysCommand(t, "answers no list of keys", "--url", other.URL)
	keysCommand(t, "--url: want http://HOST:PORT", "--url", "127.0.0.1:2019")
	keysCommand(t, "is it running there?", "--url", fmt.Sprintf("http://127.0.0.1:%d", freePort(t)))
	keysCommand(t, "unknown command", "extra")
}

func TestTheListIsSafeForATerminal(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, writeKeys(&out, keysStatus{Unmatched: []keyrules.Unmatched{{Kind: "rpc", Exchange: "e", Topic: "\x1b[31m", Method: "m", Count: 1}}, Lost: 7}))
	require.NotContains(t, out.String(), "\x1b")
	require.Contains(t, out.String(), "RPC e/?[31m/m")
	require.Contains(t, out.String(), "and 7 calls of kinds that there was no room to list")
	require.Error(t, writeKeys(failing{}, keysStatus{}))
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errPlain }
