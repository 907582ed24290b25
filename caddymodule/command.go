package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/calltap/calltap/report"
)

const (
	defaultAdminPort = 2019 // of Caddy
	defaultListLimit = 10
	commandTimeout   = 30 * time.Second
	maxAnswer        = 256 << 20 // bytes; the largest trace that is worth printing
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "trace",
		Usage: "list | show <trace-id>",
		Short: "Prints traces as text",
		Long: `
Prints the newest traces, or one trace as a tree, from the store of a running
calltap or from any server with Zipkin's read API:

    trace list
    trace show 463ac35736b21a585af7183fb1d4cf5f
    trace list --url http://127.0.0.1:9411 --error
`,
		CobraFunc: func(cmd *cobra.Command) { setUpTrace(cmd) },
	})
}

// setUpTrace gives the command its sub-commands.
func setUpTrace(cmd *cobra.Command) *cobra.Command {
	cmd.AddCommand(traceListCommand(), traceShowCommand())
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(*cobra.Command, []string) error { return errors.New("want 'trace list' or 'trace show ID'") }
	return cmd
}

func traceListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list [--url <url>] [--service <name>] [--limit <n>] [--error]",
		Short: "Prints the newest traces, a line each",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			flags := cmd.Flags()
			service, _ := flags.GetString("service")
			limit, _ := flags.GetInt("limit")
			onlyErrors, _ := flags.GetBool("error")
			if limit <= 0 {
				return fmt.Errorf("--limit %d: want a number above zero", limit)
			}
			return listTraces(cmd.Context(), cmd.OutOrStdout(), urlFlag(cmd), listQuery(service, limit, onlyErrors))
		},
	}
	addURLFlag(cmd)
	cmd.Flags().String("service", "", "Only traces with a span of this service")
	cmd.Flags().Int("limit", defaultListLimit, "How many traces")
	cmd.Flags().Bool("error", false, "Only traces in which something failed")
	return cmd
}

func traceShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show [--url <url>] <trace-id>",
		Short: "Prints one trace as a tree, a line a span",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			return showTrace(cmd.Context(), cmd.OutOrStdout(), urlFlag(cmd), args[0])
		},
	}
	addURLFlag(cmd)
	return cmd
}

func addURLFlag(cmd *cobra.Command) {
	cmd.Flags().String("url", "", "Base of the read API: http://HOST:9411 for Zipkin (default: the local admin endpoint)")
}

func urlFlag(cmd *cobra.Command) string {
	base, _ := cmd.Flags().GetString("url")
	return base
}

func listQuery(service string, limit int, onlyErrors bool) url.Values {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if service != "" {
		query.Set("serviceName", strings.ToLower(service)) // Zipkin keeps names in lower case
	}
	if onlyErrors {
		query.Set("annotationQuery", "error")
	}
	return query
}

func listTraces(ctx context.Context, out io.Writer, base string, query url.Values) error {
	data, err := readAPI(ctx, base, "traces?"+query.Encode())
	if err != nil {
		return err
	}
	traces, err := report.DecodeTraces(data)
	if err != nil {
		return err
	}
	return report.WriteList(out, traces)
}

func showTrace(ctx context.Context, out io.Writer, base, id string) error {
	if len(id) == 0 || len(id) > 32 || strings.Trim(strings.ToLower(id), "0123456789abcdef") != "" {
		return errors.New("a trace id is 1 to 32 hex digits")
	}
	data, err := readAPI(ctx, base, "trace/"+strings.ToLower(id))
	if err != nil {
		return err
	}
	trace, err := report.DecodeTrace(data)
	if err != nil {
		return err
	}
	return report.WriteTree(out, trace)
}

// readAPI asks the read API at base, which is a Zipkin's address or calltap's admin endpoint; "" is the latter.
func readAPI(ctx context.Context, base, what string) ([]byte, error) {
	client, base, err := apiClient(base)
	if err != nil {
		return nil, err
	}
	return ask(ctx, client, base, "/api/v2/"+what)
}

// ask gets what is below base.
func ask(ctx context.Context, client *http.Client, base, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	if err != nil {
		return nil, err
	}
	return answerOf(client, req)
}

// answerOf returns the body of an answer, which must be 200.
func answerOf(client *http.Client, req *http.Request) ([]byte, error) {
	base := req.URL.Scheme + "://" + req.URL.Host
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking (is it running there? --url names another place): %w", err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the answer of %s: %w", base, err)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s answers %s: %s", base, resp.Status, report.Printable(strings.TrimSpace(string(data))))
	case len(data) == maxAnswer:
		return nil, fmt.Errorf("%s answers with more than %d MiB: narrow the question", base, maxAnswer>>20)
	}
	return data, nil
}

// apiClient finds out how to reach base. The default is where Caddy's admin endpoint listens, by its own
// rules (CADDY_ADMIN), which may be a Unix socket.
func apiClient(base string) (*http.Client, string, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if base != "" {
		u, err := url.Parse(base)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, "", errors.New("--url: want http://HOST:PORT")
		}
		path := strings.TrimRight(u.Path, "/")
		path = strings.TrimSuffix(path, "/api/v2/spans") // what the sink was given
		path = strings.TrimSuffix(path, "/api/v2")
		u.Path, u.RawQuery, u.Fragment = path, "", ""
		return client, u.String(), nil
	}
	admin, err := caddy.ParseNetworkAddressWithDefaults(caddy.DefaultAdminListen, "tcp", defaultAdminPort)
	if err != nil {
		return nil, "", fmt.Errorf("reading the admin address: %w", err)
	}
	if admin.IsUnixNetwork() {
		client.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", admin.Host)
		}
		return client, "http://127.0.0.1" + strings.TrimSuffix(adminBase, "/"), nil
	}
	if ip, err := netip.ParseAddr(admin.Host); admin.Host == "" || err == nil && ip.IsUnspecified() {
		admin.Host = "localhost" // it listens everywhere
	}
	return client, "http://" + admin.JoinHostPort(0) + strings.TrimSuffix(adminBase, "/"), nil
}
