package caddymodule

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// explain runs `calltap explain ARGS…` and returns what it prints, or expects an error.
func explain(t *testing.T, stdin, wantErr string, args ...string) string {
	t.Helper()
	cmd := setUpExplain(&cobra.Command{Use: "explain"})
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(io.Discard)
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	if wantErr != "" {
		require.ErrorContains(t, err, wantErr)
		return out.String()
	}
	require.NoError(t, err)
	return out.String()
}

// shop is a Caddyfile whose broker and sinks do not exist, with files beside it.
func shop(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"Caddyfile": `{
	calltap {
		zipkin http://no.such.host.invalid:9411/api/v2/spans
		log ` + dir + `/spans.jsonl
		keys {
			rule GET /carts/{id} key shop.carts.{action}.{method}
			rule POST /carts/{id}/** {
				header X-Plan gold
				key gold.{json.item.kind}.{header.X-Plan}
				tag plan {header.X-Plan}
			}
			rule * /slow {
				status 5xx
				key slow.{status}.{error}
			}
			rule rpc topic stock ; method object_* ; key stock.{rpc.arg.name}
			routes routes.tsv
		}
	}
}
http://:18701 {
	calltap {
		service shop
		ignore GET /health
	}
}
`,
		"routes.tsv": "POST\t/carts/{id}/checkout\tcheck_out\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return filepath.Join(dir, "Caddyfile")
}

func TestExplainTellsTheRuleAndWhyNotThoseBefore(t *testing.T) {
	file := shop(t)
	require.Equal(t, `POST /carts/17/checkout?coupon=1
rule      routes.tsv:1
key       shop.carts.checkout.check_out.POST
span      POST /carts/{id}/checkout
service   shop
action    check_out (route table routes.tsv:1)
before    Caddyfile:24  method: POST is not GET
          Caddyfile:6  method: POST is not GET
          Caddyfile:7  header: there is no X-Plan
          Caddyfile:12  path: carts is not slow of /slow
          Caddyfile:16  kind: HTTP is not RPC
`, explain(t, "", "", "--config", file, "POST", "/carts/17/checkout?coupon=1"))
	require.NoFileExists(t, filepath.Join(filepath.Dir(file), "spans.jsonl"), "a sink was opened")
}

func TestExplainAsksWithAllThatACallHas(t *testing.T) {
	file := shop(t)
	for want, args := range map[string][]string{
		"shop.carts.show.GET": {"GET", "/carts/17"},
		"gold.pen.gold":       {"POST", "/carts/17/items", "--header", "X-Plan: gold", "--body", `{"item":{"kind":"pen"}}`},
		"slow.503.503":        {"GET", "/slow", "--status", "503"},
		"stock.Box":           {"--rpc", "shop/stock.host1/object_action", "--body", `{"name":"Box"}`},
		"stock.ping":          {"--rpc", "stock_fanout//ping"},
	} {
		require.Contains(t, explain(t, "", "", append(args, "-c", file)...), "\nkey       "+want+"\n", args)
	}
	require.Contains(t, explain(t, "", "", "GET", "/health", "-c", file), "ignored")
	require.Contains(t, explain(t, "", "", "GET", "//carts/%31%37", "-c", file), "shop.carts.show.GET", "as a server reads it")
}

func TestExplainWithoutAConfigurationHasTheBuiltInRules(t *testing.T) {
	require.Equal(t, `GET /v2.1/servers/17
rule      default
key       http.v2_1.servers.show.GET
span      GET /v2.1/servers/{id}
service   caddy
action    show (by REST shape)
`, explain(t, "", "", "GET", "/v2.1/servers/17"))
	require.Contains(t, explain(t, "", "", "GET", "/v2.1/servers/17", "--service", "nova"), "nova.v2_1.servers.show.GET")
}

func TestExplainAnswersLinesAsJSON(t *testing.T) {
	out := explain(t, "# calls\nGET /carts/17\n\nPOST\t/orders/17/action\t{\"cancel\": {}}\nPOST /orders/17/action\n", "", "--config", shop(t), "--json", "-")
	var answers []map[string]any
	for line := range strings.Lines(out) {
		var answer map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &answer), line)
		answers = append(answers, answer)
	}
	require.Len(t, answers, 3)
	require.Equal(t, "GET /carts/17", answers[0]["call"])
	for word, want := range map[string]string{"key": "shop.carts.show.GET", "span": "GET /carts/{id}", "service": "shop",
		"action": "show", "action_from": "shape", "rule": "Caddyfile:6"} {
		require.Equal(t, want, answers[0][word], word)
	}
	require.Equal(t, "cancel", answers[1]["action"])
	require.Equal(t, "action", answers[2]["action"], "a body is one line's")
}

func TestExplainNamesTheMistake(t *testing.T) {
	file := shop(t)
	explain(t, "", "want METHOD PATH, --rpc EXCHANGE/TOPIC/METHOD, or -")
	explain(t, "", "want METHOD PATH", "GET")
	explain(t, "", "ask one at a time", "GET", "/x", "--rpc", "a/b/c")
	explain(t, "", "want EXCHANGE/TOPIC/METHOD", "--rpc", "conductor")
	explain(t, "", "--body: this is no JSON", "GET", "/x", "--body", "{")
	explain(t, "", "want 'NAME: VALUE'", "GET", "/x", "--header", "X-Plan")
	explain(t, "", "no site has the service \"shp\"; there are: shop", "GET", "/x", "-c", file, "--service", "shp")
	explain(t, "", `"carts" is no path`, "GET", "carts")
	explain(t, "", "--adapter caddyfile without --config", "GET", "/x", "-a", "caddyfile")
	require.Contains(t, explain(t, "GET /x\nGET\n", "stdin:2: want METHOD PATH", "-"), "GET /x")
	explain(t, "GET /x y\n", "stdin:1: want METHOD PATH, and a JSON body or nothing", "-")
	require.NoError(t, os.WriteFile(file, []byte("{\n\tcalltap {\n\t\tkeys {\n\t\t\trule GET /a key {nme}\n\t\t}\n\t}\n}\n"), 0o600))
	explain(t, "", "Caddyfile:4", "GET", "/x", "-c", file)
}

// Nothing that a terminal would obey gets there.
func TestExplainPrintsNoControlCharacters(t *testing.T) {
	out := explain(t, "", "", "GET", "/a%1b[31m/b%0a")
	require.NotContains(t, out, "\x1b")
	require.NotContains(t, strings.TrimSuffix(out, "\n"), "\n\n")
}
