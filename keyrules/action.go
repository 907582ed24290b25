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

// verbs are last words of a path that name what is done, or a view of a thing, and not a thing.
var verbs = makeSet(
	// views
	"detail", "details", "info", "summary", "search", "statistics", "stats", "count", "defaults",
	"uptime", "preview", "diff", "validate", "verify", "check", "query",
	// deeds
	"add", "remove", "start", "stop", "restart", "reboot", "startup", "shutdown", "suspend", "resume",
	"pause", "unpause", "enable", "disable", "activate", "deactivate", "cancel", "retry", "reset",
	"approve", "reject", "publish", "archive", "restore", "clone", "copy", "move", "attach", "detach",
	"lock", "unlock", "sync", "refresh", "import", "export", "upload", "download", "execute", "invoke",
	"login", "logout", "subscribe", "unsubscribe",
)

func makeSet(words ...string) map[string]struct{} {
	set := make(map[string]struct{}, len(words))
	for _, w := range words {
		set[w] = struct{}{}
	}
	return set
}

// action tells from REST shape what a request does; "" if the method has no such meaning (OPTIONS).
// The result is foreign text if it comes from the path or the body.
//
//	POST …/action                     the body's first key, else "action"
//	GET, POST, PUT, PATCH …/detail    the verb that the path ends with
//	GET, HEAD                         index of a collection, show of a member or of /
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
	if method != "DELETE" && p.isWord(p.n-1, s) && isVerb(p.segment(p.n-1), method) {
		return p.segment(p.n - 1)
	}
	member, told := p.isMember(s)
	own := p.n - s.first // segments of the API's own path
	switch method {
	case "GET", "HEAD":
		if member || own <= 0 {
			return actionShow
		}
		return actionIndex
	case "POST":
		return actionCreate
	case "PUT", "PATCH":
		if member || aimsAtMember(told, own) {
			return actionUpdate
		}
		return actionUpdateAll
	case "DELETE":
		if member || aimsAtMember(told, own) {
			return actionDelete
		}
		return actionDeleteAll
	default:
		return ""
	}
}

// aimsAtMember decides on PUT and DELETE of a path of words alone. To write or delete a whole
// collection is rare, so the last of several words is taken for a member (keypairs/mine), and so is
// the root; with GET and POST it is taken for a collection (auth/tokens).
func aimsAtMember(told bool, own int) bool { return !told && own != 1 }

// isVerb reports whether the last word of a path is a verb. One that begins with a verb
// (sync_instances) counts if the method may do things, and only in the spelling of function names:
// add-ons are things.
func isVerb(word, method string) bool {
	if _, ok := verbs[word]; ok {
		return true
	}
	if method == "GET" || method == "HEAD" {
		return false
	}
	first, _, compound := strings.Cut(word, "_")
	_, ok := verbs[first]
	return compound && ok
}
