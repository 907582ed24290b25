package keyrules

import "strings"

// actionWord ends the path of a request whose action is in its body: POST …/action {"reboot": …}.
const actionWord = "action"

// The actions of REST shape. They are what routers of Python and Ruby call their controllers'
// methods, so the keys read like the service's own code and logs.
const (
	actionIndex     = "index"
	actionShow      = "show"
	actionCreate    = "create"
	actionUpdate    = "update"
	actionUpdateAll = "update_all"
	actionDelete    = "delete"
	actionDeleteAll = "delete_all"
)

// views are last words of a path that name a view of a thing, and not a thing, whatever the method.
var views = makeSet(
	"detail", "details", "info", "summary", "search", "statistics", "stats", "count", "defaults",
	"uptime", "preview", "diff", "validate", "verify", "check", "query", "new", "edit", "lookup", "whoami",
)

// deeds are last words that name what is done. Those that are things as well (a lock, a release) are in
// nouns: they are deeds where something may be done, which is not with GET.
var (
	deeds = makeSet(
		"add", "remove", "create", "update", "delete", "destroy", "replace", "set", "unset", "clear",
		"start", "stop", "restart", "reboot", "startup", "shutdown", "suspend", "resume", "pause", "unpause",
		"enable", "disable", "activate", "deactivate", "cancel", "abort", "retry", "reset", "terminate", "kill",
		"approve", "reject", "accept", "decline", "confirm", "publish", "unpublish", "archive", "unarchive",
		"restore", "clone", "copy", "move", "rename", "attach", "detach", "connect", "disconnect", "mount",
		"unmount", "lock", "unlock", "sync", "refresh", "reload", "import", "export", "upload", "download",
		"execute", "invoke", "login", "logout", "logon", "logoff", "signin", "signout", "signup", "register",
		"unregister", "deregister", "subscribe", "unsubscribe", "manage", "unmanage", "extend", "shrink", "resize",
		"rebuild", "migrate", "evacuate", "failover", "failback", "revert", "rollback", "upgrade", "downgrade",
		"install", "uninstall", "promote", "demote", "merge", "unmerge", "rebase", "close", "reopen", "revoke",
		"renew", "rotate", "assign", "unassign", "apply", "submit", "complete", "finish", "purge", "flush", "prune",
		"deploy", "undeploy", "provision", "unprovision", "evict", "drain", "cordon", "uncordon", "freeze", "thaw",
		"scale", "trigger", "send", "resend", "notify", "mark", "mute", "unmute", "pin", "unpin", "follow",
		"unfollow", "unstar", "unblock", "unwatch", "unshare", "invite", "join", "leave", "generate", "regenerate",
		"calculate", "convert", "compare", "authorize", "authenticate", "introspect", "impersonate", "acknowledge",
		"snooze", "claim", "unclaim", "reserve", "unreserve", "allocate", "deallocate", "associate", "disassociate",
		"wait", "force", "change", "cleanup", "abandon", "adopt", "inspect", "recover", "heal", "bookmark", "favorite",
		"favourite", "escalate", "dismiss", "expire", "bulk",
	)
	nouns = makeSet("run", "test", "ping", "block", "star", "fork", "watch", "share", "release", "transfer", "process",
		"render", "build", "replay", "report", "save", "swap", "switch", "quit", "exit", "rescue", "unrescue", "shelve",
		"unshelve", "backup", "snapshot", "rate", "vote", "like", "unlike", "ban", "unban", "kick", "grant", "deny",
		"list", "get", "put", "post", "read", "write", "batch", "graph", "touch", "poll", "push", "pull", "pop", "ack",
		"nack", "redeliver", "requeue", "scan", "filter", "translate", "estimate", "checkout", "pay", "refund", "capture",
		"void", "charge", "quote", "commit", "begin", "end", "open", "stage", "signal", "report", "flag", "tag", "label")
	// queries begin function names that ask: get_pools, list-targets.
	queries = makeSet("get", "list", "show", "fetch", "find", "describe", "search", "count")
)

func makeSet(words ...string) map[string]struct{} {
	set := make(map[string]struct{}, len(words))
	for _, w := range words {
		set[w] = struct{}{}
	}
	return set
}

func isIn(set map[string]struct{}, word string) bool {
	_, ok := set[word]
	return ok
}

// action tells from REST shape what a request does; "" if the method has no such meaning (OPTIONS).
// The result is foreign text if it comes from the path or the body.
//
//	POST …/action                     the body's first key, else "action"
//	POST …/NAME:publish               publish
//	GET, POST, PUT, PATCH …/detail    the verb that the path ends with
//	GET, HEAD                         index of a collection, show of a member and of /
//	POST                              create
//	PUT, PATCH                        update_all of a collection, update of a member
//	DELETE                            delete_all of a collection, delete of a member
func (p *path) action(method string, s *shape, bodyKey string) string {
	if method == "POST" && p.endsInAction() {
		if bodyKey != "" {
			return bodyKey
		}
		return actionWord
	}
	if verb := p.verb(method, s); verb != "" {
		return verb
	}
	member := p.isMember(method, s)
	switch method {
	case "GET", "HEAD":
		return either(member, actionShow, actionIndex)
	case "POST":
		return actionCreate
	case "PUT", "PATCH":
		return either(member, actionUpdate, actionUpdateAll)
	case "DELETE":
		return either(member, actionDelete, actionDeleteAll)
	default:
		return ""
	}
}

func either(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// verb returns the verb that the path ends with, "" without one.
func (p *path) verb(method string, s *shape) string {
	if method == "DELETE" || p.n <= s.first {
		return ""
	}
	last := p.segment(p.n - 1)
	if method == "POST" { // Google's custom methods
		if _, verb, ok := strings.Cut(last, ":"); ok && isVerb(verb, method, true) {
			return verb
		}
	}
	if !p.isWord(p.n-1, s) || !isVerb(last, method, p.n > 1 && s.isID(p.n-2)) {
		return ""
	}
	return last
}

// isVerb reports whether the last word of a path is a verb. A compound that begins with one counts if
// the method may do things, or stands behind an id (backups/17/export_record); joined by a dash it must
// not end in things, as add-ons and check-runs do.
func isVerb(word, method string, behindID bool) bool {
	asks := method == "GET" || method == "HEAD"
	first, mark := firstWord(word)
	switch {
	case isIn(views, word), isDeed(word), mark == '_' && isIn(queries, first):
		return true
	case asks && !behindID:
		return false
	case mark == 0:
		return !asks && isIn(nouns, word)
	default:
		return isDeed(first) && (mark == '_' || !isPlural(word))
	}
}

// isDeed knows unfavourite, reactivate and disconnect by what is done again or undone.
func isDeed(word string) bool {
	if isIn(deeds, word) {
		return true
	}
	for _, prefix := range [...]string{"un", "re", "de", "dis"} {
		if rest, ok := strings.CutPrefix(word, prefix); ok && isIn(deeds, rest) {
			return true
		}
	}
	return false
}
