package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/report"
)

// keysStatus is what /calltap/keys shows: what there is to write rules for. It counts since the
// configuration was loaded.
type keysStatus struct {
	Keys      int                  `json:"keys"`           // different keys so far
	Unmatched []keyrules.Unmatched `json:"unmatched"`      // calls that neither rule nor route table took, the most frequent first
	Lost      uint64               `json:"unmatched_lost"` // such calls that there was no room to list
	Overflows uint64               `json:"overflows"`      // calls that got the key _other
	Offenders []keyrules.Offender  `json:"offenders"`      // the first of them
}

// keysOf asks the app's rules, which share their tables with those of the sites.
func keysOf(rules *keyrules.Set) keysStatus {
	s := keysStatus{
		Keys: rules.Keys(), Unmatched: rules.Unmatched(), Lost: rules.UnmatchedLost(),
		Overflows: rules.Overflows(), Offenders: rules.Offenders(),
	}
	if s.Unmatched == nil {
		s.Unmatched = []keyrules.Unmatched{}
	}
	if s.Offenders == nil {
		s.Offenders = []keyrules.Offender{}
	}
	return s
}

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "keys",
		Usage: "[--starter] [--url <url>]",
		Short: "Lists calls that no rule matches, and writes rules for them",
		Long: `
Lists the calls that a running calltap has seen and that no rule of its
configuration matches, the most frequent first, and keys that had no room:

    keys
    keys --starter > shop.rules

The second writes a rule file to begin with, for 'rules shop.rules' in the keys block.
It asks the admin endpoint of this machine's calltap, or that of --url.`,
		CobraFunc: func(cmd *cobra.Command) { setUpKeys(cmd) },
	})
}

func setUpKeys(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().String("url", "", "Admin endpoint: http://HOST:PORT (default: the local one)")
	cmd.Flags().Bool("starter", false, "Write a rule file for the calls in place of the list")
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cmd.SilenceUsage = true
		seen, err := askKeys(cmd.Context(), urlFlag(cmd))
		if err != nil {
			return err
		}
		if starter, _ := cmd.Flags().GetBool("starter"); starter {
			_, err := io.WriteString(cmd.OutOrStdout(), keyrules.StarterRules(seen.Unmatched))
			return err
		}
		return writeKeys(cmd.OutOrStdout(), seen)
	}
	return cmd
}

func askKeys(ctx context.Context, base string) (s keysStatus, err error) {
	client, base, err := apiClient(base)
	if err != nil {
		return s, err
	}
	admin := strings.TrimSuffix(adminBase, "/")
	data, err := ask(ctx, client, strings.TrimSuffix(base, admin), admin+"/keys")
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("%s answers no list of keys: %w", base, err)
	}
	return s, nil
}

// writeKeys prints the list as a table.
func writeKeys(out io.Writer, s keysStatus) error {
	var failed error
	note := func(_ int, err error) { failed = errors.Join(failed, err) }
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	if len(s.Unmatched) > 0 {
		note(fmt.Fprintln(table, "COUNT\tCALL\tKEY\tEXAMPLE"))
	}
	for _, u := range s.Unmatched {
		note(fmt.Fprintf(table, "%d\t%s\t%s\t%s\n", u.Count, report.Printable(callText(u)), report.Printable(u.Key), report.Printable(u.Example)))
	}
	note(0, table.Flush())
	if s.Lost > 0 {
		note(fmt.Fprintf(out, "and %d calls of kinds that there was no room to list\n", s.Lost))
	}
	if len(s.Unmatched) == 0 && s.Lost == 0 {
		note(fmt.Fprintln(out, "so far no call was seen that no rule matches"))
	}
	if s.Overflows > 0 {
		note(fmt.Fprintf(out, "\n%d calls got the key _other, as there were max_keys others already (%d); the first of them:\n", s.Overflows, s.Keys))
	}
	for _, o := range s.Offenders {
		note(fmt.Fprintf(out, "  %s  (%s)\n", report.Printable(o.Key), report.Printable(o.Rule)))
	}
	return failed
}

// callText is a kind of call in the words of `calltap explain`.
func callText(u keyrules.Unmatched) string {
	if u.Kind == "rpc" {
		return "RPC " + u.Exchange + "/" + u.Topic + "/" + u.Method
	}
	return u.Method + " " + u.Path
}
