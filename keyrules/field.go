package keyrules

// field is a name that a template may hold between braces.
type field uint8

const (
	fieldLiteral field = iota // text of the template itself
	fieldCapture              // {id}: segment n of the path
	fieldPath                 // {path.N}
	fieldMethod
	fieldHost
	fieldStatus
	fieldStatusClass
	fieldRoute
	fieldJSON // {json.0}
	fieldRPCMethod
	fieldExchange
	fieldTopic
	fieldQueue
	fieldRoutingKey
	fieldNamespace
	fieldForm
	fieldError
	fieldAction
	fieldService
	fieldPathTo   // {path[:n]}
	fieldHeader   // {header.NAME}, its value is n
	fieldJSONPath // {json.PATH}, its value is n
	fieldArg      // {rpc.arg.NAME}, its value is n
)

// fieldNames are the names that need no pattern; {path.N} is apart, for its number.
var fieldNames = []struct {
	name  string
	field field
	kind  Kind // 0 is both
}{
	{"method", fieldMethod, 0}, // of RPC too: there it is {rpc.method}
	{"host", fieldHost, HTTP},
	{"status", fieldStatus, HTTP},
	{"status.class", fieldStatusClass, HTTP},
	{"route", fieldRoute, HTTP},
	{"json.0", fieldJSON, HTTP},
	{"rpc.method", fieldRPCMethod, RPC},
	{"exchange", fieldExchange, RPC},
	{"topic", fieldTopic, RPC},
	{"queue", fieldQueue, RPC},
	{"routing_key", fieldRoutingKey, RPC},
	{"namespace", fieldNamespace, RPC},
	{"form", fieldForm, RPC},
	{"error", fieldError, 0},
	{"action", fieldAction, 0},
	{"service", fieldService, 0},
}
