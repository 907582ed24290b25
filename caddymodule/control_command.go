package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/calltap/calltap/control"
	"github.com/calltap/calltap/report"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "control",
		Usage: "status | on | off | sample <share> | only '<METHOD> <path>' [--site <name>] [--key <key>] [--for <duration>]",
		Short: "Switches tracing while it runs",
		Long: `
Changes what a running calltap traces, from the next request on, without reload:

    control status
    control off --site nova-api            no spans, metrics or headers there
    control sample 0.5                     record half of the traces
    control only 'POST /v2.1/servers*' --for 10m
    control sample 0 --key nova.api.limits.*
    control on                             take everything back

Metrics count every request, but where it is off. The narrower scope holds: --key
before --site before all. Without --for it lasts until 'on' or a restart; a reload
changes nothing. Each change is logged.

A trace that a valid trigger forces goes before them, but where it is off, or where
--key thins its key out: 'sample 0 --key KEY' drops forced traces of that key too.`,
		CobraFunc: func(cmd *cobra.Command) { setUpControl(cmd) },
	})
}

func setUpControl(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().String("url", "", "Admin endpoint: http://HOST:PORT (default: the local one)")
	cmd.Flags().String("site", "", "Only this service")
	cmd.Flags().String("key", "", "Only these keys; * is any text")
	cmd.Flags().Duration("for", 0, "Only for so long")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cmd.SilenceUsage = true
		change, err := changeOf(cmd, args)
		if err != nil {
			return err
		}
		all, err := askControl(cmd.Context(), urlFlag(cmd), change)
		if err != nil {
			return err
		}
		return writeControl(cmd.OutOrStdout(), all)
	}
	return cmd
}

const controlWords = "want one of: status, on, off, sample SHARE, only 'METHOD PATH' in quotes"

// changeOf makes the body of a POST, nil for status.
func changeOf(cmd *cobra.Command, args []string) ([]byte, error) {
	site, _ := cmd.Flags().GetString("site")
	key, _ := cmd.Flags().GetString("key")
	life, _ := cmd.Flags().GetDuration("for")
	if len(args) == 0 {
		return nil, errors.New(controlWords)
	}
	body := map[string]any{"do": args[0], "site": site, "key": key}
	if cmd.Flags().Changed("for") { // 0s is a mistake, not for good
		body["for"] = life.String()
	}
	takes := 1
	switch args[0] {
	case "status":
		if len(args) > 1 {
			return nil, errors.New("status takes nothing")
		}
		return nil, nil
	case control.Sample:
		takes = 2
		if len(args) == 2 {
			share, err := strconv.ParseFloat(args[1], 64)
			if err != nil {
				return nil, fmt.Errorf("sample %s: want a share from 0 to 1", args[1])
			}
			body["share"] = share
		}
	case control.Only:
		takes = 2
		if len(args) == 2 {
			body["match"] = args[1]
		}
	}
	if len(args) != takes {
		return nil, fmt.Errorf("%s; found %s", controlWords, strings.Join(args, " "))
	}
	return json.Marshal(body)
}

func askControl(ctx context.Context, base string, change []byte) (all []shownSwitch, err error) {
	client, base, err := apiClient(base)
	if err != nil {
		return nil, err
	}
	admin := strings.TrimSuffix(adminBase, "/")
	target := strings.TrimSuffix(base, admin) + admin + "/control"
	var data []byte
	if change == nil {
		data, err = ask(ctx, client, target, "")
	} else {
		data, err = post(ctx, client, target, change)
	}
	if err != nil {
		return nil, err
	}
	var answer struct {
		Control []shownSwitch `json:"control"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, fmt.Errorf("%s answers no list of switches: %w", base, err)
	}
	return answer.Control, nil
}

// post sends JSON to the admin endpoint.
func post(ctx context.Context, client *http.Client, target string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	return answerOf(client, req)
}

// writeControl prints the switches, a line each.
func writeControl(out io.Writer, all []shownSwitch) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(out, "tracing is as the configuration says")
		return err
	}
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "WHAT\tSITE\tKEY\tUNTIL")
	for _, s := range all {
		what := s.Do
		switch s.Do {
		case control.Sample:
			what += " " + strconv.FormatFloat(s.Share, 'g', -1, 64)
		case control.Only:
			what += " " + s.Match
		}
		until := "taken back"
		if !s.Until.IsZero() {
			until = s.Until.Local().Format(time.DateTime)
		}
		site := orAll(s.Site)
		if s.NoSuchSite {
			site += " (no such site)"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", report.Printable(what), site, orAll(s.Key), until)
	}
	return table.Flush()
}

func orAll(text string) string {
	if text == "" {
		return "all"
	}
	return report.Printable(text)
}
