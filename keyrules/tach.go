package keyrules

import "strings"

// The built-ins that a Rule's Use may name: the helpers that tach brought with it, under their names.
const (
	useProcessStack   = "process_stack"
	useQueueReceive   = "queue_receive"
	useNetworkReceive = "network_queue_receive"
	useScheduleQueue  = "scheduler_queue_receive"
)

func isQueueUse(name string) bool {
	return name == useQueueReceive || name == useNetworkReceive || name == useScheduleQueue
}

// useTopic is the topic that a built-in for RPC takes if its block names none. Tach's helpers were
// each called by one service alone; the name of the helper, or the end of its prefix, tells which.
func useTopic(r *Rule) string {
	switch r.Use {
	case useNetworkReceive:
		return "network"
	case useScheduleQueue:
		return "scheduler"
	default:
		return r.Prefix[strings.LastIndexByte(r.Prefix, '.')+1:]
	}
}

// writeProcessStack is tach's helper for HTTP. The form of its first version:
//
//	path = '.'.join(environ['PATH_INFO'].split('/')[:3])   # the first is empty: a leading dot
//	key = 'nova.api%s%s%s' % (path, '.' + action, '.' + environ['REQUEST_METHOD'])
//
// and, as `segment 2`, of its later one:
//
//	path = '.%s' % environ['PATH_INFO'].split('/')[2]      # behind a tenant: /TENANT/servers
//
// PATH_INFO is the path behind the mount point. Ids stay in the key, as there. Of a path that has no
// such segment tach's later form made an error; here its key goes without.
func (w *work) writeProcessStack() []byte {
	k := &w.key
	k.dotted(w.rule.prefix)
	info := w.path.text
	if m := w.rule.mount(&w.path); m > 0 {
		info = info[w.path.at[m-1].to:]
	}
	last := 2
	if w.rule.nth > 0 {
		last = w.rule.nth
	}
	for i := range last + 1 {
		element, rest, more := strings.Cut(info, "/")
		if w.rule.nth == 0 || i == w.rule.nth {
			k.segment(element)
		}
		if !more {
			break
		}
		info = rest
	}
	k.segment(w.action)
	k.segment(w.call.method)
	return k.finish()
}

// writeQueueReceive is tach's helper for RPC: 'nova.compute.%s' % method.
func (w *work) writeQueueReceive() []byte {
	k := &w.key
	k.dotted(w.rule.prefix)
	k.segment(orNone(w.call.rpcMethod))
	return k.finish()
}
