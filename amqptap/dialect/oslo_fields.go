package dialect

// osloField is a member of an oslo message that is read. All others are walked over unseen:
// _context_auth_token and result above all.
type osloField uint8

const (
	osloOther osloField = iota

	// Who and what: a message in which one of these is unusable is counted and not traced.
	osloMethod    // request: what to call
	osloMsgID     // call and reply: the call's identity
	osloReplyQ    // call: the queue for the reply
	osloUniqueID  // all: this message's identity, against duplicates
	osloEventType // notification: what happened
	osloMessageID // notification: its identity

	// Facts about it: absent if unusable.
	osloPublisher
	osloNamespace
	osloRequestID
	osloGlobalID
	osloUserID
	osloUser // before oslo.context 2.18 in place of osloUserID
	osloProjectID
	osloTraceparent

	// Members that are no plain strings.
	osloTimeout   // seconds: the call monitor's period
	osloEnding    // reply: false means that the server is still at work
	osloFailure   // reply: a string of JSON about the exception, or null
	osloResult    // reply: never read, but tells that this is one
	osloArgs      // request: only what rules name is read of it
	osloTraceInfo // osprofiler's: of it base_id alone is read, since its key signs requests for traces

	// Members of the envelope.
	osloMessage
	osloVersion
)

const (
	osloVital   = osloMessageID   // the last of the first group
	osloStrings = osloTraceparent // the last of the strings
)

// osloFieldOf finds a member by its name, which must be free of escapes.
func osloFieldOf(name []byte) osloField {
	switch string(name) { // compiled to a search by length; does not allocate
	case "method":
		return osloMethod
	case "_msg_id":
		return osloMsgID
	case "_reply_q":
		return osloReplyQ
	case "_unique_id":
		return osloUniqueID
	case "event_type":
		return osloEventType
	case "message_id":
		return osloMessageID
	case "publisher_id":
		return osloPublisher
	case "namespace":
		return osloNamespace
	case "_context_request_id":
		return osloRequestID
	case "_context_global_request_id":
		return osloGlobalID
	case "_context_user_id":
		return osloUserID
	case "_context_user":
		return osloUser
	case "_context_project_id":
		return osloProjectID
	case "_context_traceparent":
		return osloTraceparent
	case "_context_trace_info":
		return osloTraceInfo
	case "_timeout":
		return osloTimeout
	case "args":
		return osloArgs
	case "ending":
		return osloEnding
	case "failure":
		return osloFailure
	case "result":
		return osloResult
	case "oslo.message":
		return osloMessage
	case "oslo.version":
		return osloVersion
	}
	return osloOther
}
