package keyrules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The words of the language, for parsers and their error messages; see NearestWord.
var (
	// KeysWords begin the lines of a keys block, and of a rule file.
	KeysWords = []string{"use", "rule", "ignore", "under", "routes", "rules", "max_keys"}
	// UseNames are the built-ins: `use NAME PREFIX`.
	UseNames = []string{useProcessStack, useQueueReceive, useNetworkReceive, useScheduleQueue}
	// RuleWords are the statements of a rule's block.
	RuleWords = slices.Concat(matcherWords, outputStatements, []string{"key", "max_keys"})
	// UseWords are the statements of a built-in's block.
	UseWords = slices.Concat([]string{"strip", "segment"}, matcherWords, outputStatements, []string{"max_keys"})
	// IgnoreWords are the statements of an ignore's block.
	IgnoreWords = matcherWords
	// RoutesWords are what may stand behind `routes FILE`, each with a value.
	RoutesWords = []string{"prefix", "key", "service", "host"}
	// GroupWords are the statements of an `under` beside rules.
	GroupWords = []string{"host", "service", "category"}

	matcherWords = []string{"method", "path", "host", "status", "header", "json", "rpc", "http", "exchange",
		"routing_key", "queue", "topic", "namespace", "rpc_method", "form"}
	outputStatements = []string{"name", "span", "service", "action", "category", "tag", "note", "sample"}
)

// words returns the statements that the rule, as far as it is written, may hold.
func (r *Rule) words() []string {
	switch {
	case r.Use != "":
		return UseWords
	case r.Ignore:
		return IgnoreWords
	default:
		return RuleWords
	}
}

// SetHead sets what stands on the line of a rule or an ignore behind that word, before its block:
//
//	rule METHOD[,METHOD…] [/PATH]      * is any method
//	rule /PATH
//	rule [http [METHOD] [/PATH] | rpc]
//
// Errors tell the fix; Compile checks the values.
func (r *Rule) SetHead(args []string) error {
	if len(args) > 0 && (args[0] == "rpc" || args[0] == "http") {
		r.Kind = args[0]
		args = args[1:]
	}
	if r.Kind == "rpc" && len(args) > 0 {
		return fmt.Errorf("%q behind rpc: matchers of an RPC stand in its block, such as { method %s }", args[0], args[0])
	}
	if len(args) > 0 && !strings.HasPrefix(args[0], "/") {
		if err := r.setMethods(args[:1]); err != nil {
			return err
		}
		args = args[1:]
	}
	switch len(args) {
	case 0:
		return nil
	case 1:
		return setOnce("path", &r.Path, args)
	default:
		return fmt.Errorf("%q is too much; a rule begins with METHOD and /PATH, or rpc", args[1])
	}
}

// Set sets one field from a statement of a block: a word and what stands behind it. In an RPC rule
// `method` is the RPC's method. Errors tell the fix: an unknown word, no value or several, a
// statement given twice. Whether the value makes sense is for Compile to say.
func (r *Rule) Set(word string, args []string) error {
	if !slices.Contains(r.words(), word) {
		return fmt.Errorf("unknown statement %q; did you mean %s? There are %s",
			word, NearestWord(word, r.words()), strings.Join(r.words(), ", "))
	}
	switch word {
	case "rpc", "http":
		return r.setKind(word, args)
	case "strip":
		if len(args) == 0 {
			return fmt.Errorf("strip needs a mount point, such as /v2.1")
		}
		r.Strip = append(r.Strip, args...)
		return nil
	case "method":
		if r.isRPC() {
			return setOnce(word, &r.RPCMethod, args)
		}
		return r.setMethods(args)
	default:
		if field := r.fieldOf(word); field != nil {
			return setOnce(word, field, args)
		}
		return r.setList(word, args)
	}
}

// setList sets what is more than one text.
func (r *Rule) setList(word string, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%s needs a value", word)
	}
	switch word {
	case "status":
		for _, arg := range args {
			r.Statuses = append(r.Statuses, strings.Split(arg, ",")...)
		}
		return nil
	case "note":
		r.Notes = append(r.Notes, args...)
		return nil
	case "header":
		if len(args) > 2 {
			return fmt.Errorf("header takes a name and a value, got %d words; put the value in quotes if it has blanks in it", len(args))
		}
		r.Headers = append(r.Headers, Match{Name: args[0], Value: strings.Join(args[1:], "")})
		return nil
	case "tag":
		if len(args) != 2 {
			return fmt.Errorf("tag takes a name and a value, got %d words; put the value in quotes if it has blanks in it", len(args))
		}
		r.Tags = append(r.Tags, Tag{args[0], args[1]})
		return nil
	case "segment":
		return setNumber(word, &r.Segment, args)
	default:
		return setNumber(word, &r.MaxKeys, args)
	}
}

func setNumber(word string, field *int, args []string) error {
	n, err := strconv.Atoi(strings.Join(args, " "))
	switch {
	case err != nil || n < 1:
		return fmt.Errorf("%s takes one number from 1 on, got %q", word, strings.Join(args, " "))
	case *field != 0:
		return fmt.Errorf("%s is given twice; take one out", word)
	}
	*field = n
	return nil
}

func (r *Rule) fieldOf(word string) *string {
	return map[string]*string{
		"path": &r.Path, "host": &r.Host, "exchange": &r.Exchange, "routing_key": &r.RoutingKey, "queue": &r.Queue,
		"topic": &r.Topic, "namespace": &r.Namespace, "rpc_method": &r.RPCMethod,
		"form": &r.Form, "json": &r.JSON, "category": &r.Category, "sample": &r.Sample,
		"key": &r.Key, "name": &r.Name, "span": &r.Name, "service": &r.Service, "action": &r.Action,
	}[word]
}

func (r *Rule) setKind(word string, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no value, got %q", word, args[0])
	}
	if r.Kind != "" && r.Kind != word {
		return fmt.Errorf("%s: the rule is for %s already; make two rules of it", word, r.Kind)
	}
	r.Kind = word
	return nil
}

// setMethods takes `GET HEAD` and `GET,HEAD`; `*` is any.
func (r *Rule) setMethods(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("method needs a value, such as GET")
	}
	if len(r.Methods) > 0 {
		return fmt.Errorf("method is given twice; write them in one line: method GET HEAD")
	}
	for _, arg := range args {
		for _, m := range strings.Split(arg, ",") {
			if m != "*" {
				r.Methods = append(r.Methods, m)
			}
		}
	}
	return nil
}

func setOnce(word string, field *string, args []string) error {
	switch {
	case len(args) == 0 || args[0] == "":
		return fmt.Errorf("%s needs a value", word)
	case len(args) > 1:
		return fmt.Errorf("%s takes one value, got %d; put it in quotes if it has blanks in it", word, len(args))
	case *field != "":
		return fmt.Errorf("%s is given twice; take one out", word)
	}
	*field = args[0]
	return nil
}

// HeadLength is how many of the words on a rule's line, "rule" itself left out, are its head, for
// Rule.SetHead; statements follow. They begin behind the path, or with the first of their words, which are in
// lower case, as no method is, and never the first word itself.
func HeadLength(words []string) int {
	isPath := func(word string) bool { return strings.HasPrefix(word, "/") }
	for i, word := range words {
		if word == ";" || slices.Contains(RuleWords, word) && (i > 0 || word != "rpc" && word != "http") ||
			i > 0 && isPath(words[i-1]) && !isPath(word) {
			return i
		}
	}
	return len(words)
}
