package caddymodule

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/calltap/calltap/internal/config"
	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/report"
)

// maxQuestion bounds a line of questions; a path of a request is not longer either.
const maxQuestion = 1 << 20

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "explain",
		Usage: "[--config <path>] [--body <json>] METHOD PATH | --rpc EXCHANGE/TOPIC/METHOD | -",
		Short: "Says what a call would be called, and which rule says so",
		Long: `
Prints key, span name, service and action of a call, the rule that gives them, and
why the rules before it do not match:

    explain --config Caddyfile GET /v2.1/servers/17
    explain --config Caddyfile POST /v2.1/servers/17/action --body '{"reboot":{}}'
    explain --config Caddyfile --rpc nova/conductor/object_action --body '{"objname":"Instance"}'
    explain --config Caddyfile --json - < questions.txt

Of an RPC --body is its arguments. "-" reads questions from stdin, METHOD PATH a line.
Without --config the built-in rules answer. Nothing is started and nobody is asked:
it works where the configuration's brokers and sinks are out of reach.

The site is the one of --service, or the configuration's only one.`,
		CobraFunc: func(cmd *cobra.Command) { setUpExplain(cmd) },
	})
}

func setUpExplain(cmd *cobra.Command) *cobra.Command {
	config.AddFlags(cmd)
	flags := cmd.Flags()
	flags.String("host", "", "Host of the request")
	flags.String("body", "", "JSON body of the request, or arguments of the RPC")
	flags.Int("status", http.StatusOK, "Status of the response")
	flags.StringArray("header", nil, "Header of the request, 'NAME: VALUE'; may be repeated")
	flags.String("rpc", "", "Ask for an RPC: EXCHANGE/TOPIC/METHOD")
	flags.String("form", "call", "Form of the RPC: call, cast, fanout or notification")
	flags.String("service", "", "Service of the site (default: that of the configuration's only site)")
	flags.Bool("json", false, "Print a JSON object a question")
	cmd.Args = cobra.MaximumNArgs(2)
	cmd.RunE = runExplain
	return cmd
}

func runExplain(cmd *cobra.Command, args []string) error {
	rpc, _ := cmd.Flags().GetString("rpc")
	switch {
	case rpc != "" && len(args) > 0:
		return fmt.Errorf("--rpc asks for an RPC, %q for a request: ask one at a time", args[0])
	case rpc == "" && len(args) != 2 && !(len(args) == 1 && args[0] == "-"):
		return errors.New("want METHOD PATH, --rpc EXCHANGE/TOPIC/METHOD, or - for questions on stdin")
	}
	cmd.SilenceUsage = true
	e, err := newExplainer(cmd)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(cmd.OutOrStdout())
	e.out = out
	switch {
	case rpc != "":
		err = e.rpc(cmd, rpc)
	case args[0] == "-":
		err = e.lines(cmd.InOrStdin())
	default:
		err = e.request(args[0], args[1])
	}
	return errors.Join(err, out.Flush())
}

// explainer answers questions by the rules of one site.
type explainer struct {
	rules   *keyrules.Set // of the site
	shared  *keyrules.Set // without the site's own: for RPC, which no site sees
	service string
	like    keyrules.Call // what all questions have in common
	json    bool
	out     io.Writer
	n       int // questions answered
}

func newExplainer(cmd *cobra.Command) (*explainer, error) {
	c, err := config.FromFlags(cmd, config.Config{})
	if err != nil {
		return nil, err
	}
	flags := cmd.Flags()
	e := &explainer{}
	e.json, _ = flags.GetBool("json")
	service, _ := flags.GetString("service")
	site, err := c.Site(service)
	if err != nil {
		return nil, err
	}
	if e.shared, err = keyrules.Compile(c.Keys); err != nil {
		return nil, err
	}
	e.rules = e.shared
	if len(site.Rules) > 0 {
		if e.rules, err = e.shared.With(site.Rules); err != nil {
			return nil, err
		}
	}
	e.service = site.Service
	headers, _ := flags.GetStringArray("header")
	if e.like.Header, err = headerFlags(headers); err != nil {
		return nil, err
	}
	e.like.Host, _ = flags.GetString("host")
	e.like.Status, _ = flags.GetInt("status")
	if class := statusClass(e.like.Status); e.like.Status != 0 {
		e.like.Error = class
	}
	body, _ := flags.GetString("body")
	if err := e.setBody(body); err != nil {
		return nil, fmt.Errorf("--body: %w", err)
	}
	return e, nil
}

// setBody gives the questions a JSON body.
func (e *explainer) setBody(body string) error {
	if body != "" && !json.Valid([]byte(body)) {
		return errors.New("this is no JSON")
	}
	e.like.BodyKey, _ = firstKey([]byte(body))
	e.like.JSON = func(path string) string { return keyrules.LookupJSON([]byte(body), path) }
	return nil
}

// headerFlags reads NAME: VALUE.
func headerFlags(lines []string) (func(string) string, error) {
	header := make(http.Header)
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return nil, fmt.Errorf("--header %q: want 'NAME: VALUE'", line)
		}
		header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return header.Get, nil
}

// request answers for one request. A path's query is no part of it, and its escapes are undone, as a server
// does before the rules see it.
func (e *explainer) request(method, target string) error {
	path, err := pathOf(target)
	if err != nil {
		return err
	}
	call := e.like
	call.Kind, call.Service, call.Method, call.Path = keyrules.HTTP, e.service, method, path
	return e.answer(method+" "+target, &call)
}

// pathOf is the path of a request's target: /x?q, or a whole URL.
func pathOf(target string) (string, error) {
	u, err := url.ParseRequestURI(target) // as net/http reads a request's first line
	if err != nil {
		return "", fmt.Errorf("%q is no path: %w", report.Printable(target), errors.Unwrap(err))
	}
	if !strings.HasPrefix(u.Path, "/") && u.Path != "*" {
		return "", fmt.Errorf("path %q does not begin with /", report.Printable(target))
	}
	return u.Path, nil
}

// rpc answers for EXCHANGE/TOPIC/METHOD, where TOPIC may have a host behind it, as routing keys do.
func (e *explainer) rpc(cmd *cobra.Command, question string) error {
	parts := strings.SplitN(question, "/", 3)
	if len(parts) != 3 || parts[2] == "" {
		return fmt.Errorf("--rpc %s: want EXCHANGE/TOPIC/METHOD, such as nova/conductor/build_instances", question)
	}
	exchange, key, method := parts[0], parts[1], parts[2]
	topic, _, _ := strings.Cut(key, ".")
	form, _ := cmd.Flags().GetString("form")
	if name, fanout := strings.CutSuffix(exchange, "_fanout"); fanout {
		form = "fanout"
		if topic == "" {
			topic = name
		}
	}
	call := keyrules.Call{
		Kind: keyrules.RPC, Service: topic, Exchange: exchange, RoutingKey: key, Queue: key, Topic: topic,
		RPCMethod: method, Form: form, RPCArg: e.like.JSON,
	}
	return e.answer("RPC "+question, &call)
}

// lines answers METHOD PATH lines until the end; a JSON body may follow. A bad line is told with its
// number and ends it.
func (e *explainer) lines(in io.Reader) error {
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, maxQuestion)
	like := e.like
	for n := 1; scanner.Scan(); n++ {
		line := strings.TrimSpace(scanner.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if err := e.line(line); err != nil {
			return fmt.Errorf("stdin:%d: %w", n, err)
		}
		e.like = like
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("reading stdin: %w", err)
	}
	return nil
}

func (e *explainer) line(line string) error {
	words := strings.Fields(line)
	if len(words) < 2 {
		return errors.New("want METHOD PATH")
	}
	if len(words) > 2 {
		_, body, _ := strings.Cut(line, words[1])
		if err := e.setBody(strings.TrimSpace(body)); err != nil {
			return fmt.Errorf("want METHOD PATH, and a JSON body or nothing: %w", err)
		}
	}
	return e.request(words[0], words[1])
}

// answer prints what the rules make of a call.
func (e *explainer) answer(question string, call *keyrules.Call) error {
	rules := e.rules
	if call.Kind == keyrules.RPC {
		rules = e.shared
	}
	x := rules.Explain(call)
	if x.Service == "" && !x.Ignore && call.Kind == keyrules.HTTP {
		x.Service = defaultService
	}
	e.n++
	if e.json {
		text, err := json.Marshal(struct {
			Call string `json:"call"`
			keyrules.Explanation
		}{question, x})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(e.out, "%s\n", text)
		return err
	}
	between := ""
	if e.n > 1 {
		between = "\n"
	}
	_, err := fmt.Fprintf(e.out, "%s%s\n%s", between, report.Printable(question), x)
	return err
}
