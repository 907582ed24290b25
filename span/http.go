package span

// The tags that the encoder makes of Span.HTTP. A Tag of the same key goes before them.
const (
	TagHTTPMethod = "http.method"
	TagHTTPPath   = "http.path"
	TagHTTPStatus = "http.status_code"
	TagHTTPRoute  = "http.route"

	// Sizes of bodies in bytes, those of zipkinCoreConstants (openzipkin/zipkin-api, thrift/zipkinCore.thrift). As there, a body that is
	// empty has no tag.
	TagHTTPReceived = "http.request.size"
	TagHTTPSent     = "http.response.size"
)

// HTTP is what every span of an HTTP request has. It is not a list of tags, because a list a request
// would be an allocation a request. The zero value is a span of something else.
type HTTP struct {
	Method string // "": no HTTP
	Path   string // as the client sent it, without the query
	Status uint16 // 0: there was no answer
	Route  uint16 // where the route, a path pattern, begins in Span.Name; 0: none is known

	Received int64 // bytes of the request's body
	Sent     int64 // bytes of the response's body
}

// AppendTags appends all tags of the span but those of Key and Error, those of HTTP first. Of several with
// one key the last counts.
func (s *Span) AppendTags(dst []Tag) []Tag {
	if h := &s.HTTP; h.Method != "" {
		dst = append(dst, Tag{TagHTTPMethod, h.Method}, Tag{TagHTTPPath, h.Path})
		if h.Status != 0 {
			dst = append(dst, Tag{TagHTTPStatus, string(appendUint(nil, uint64(h.Status)))})
		}
		if route := s.route(); route != "" {
			dst = append(dst, Tag{TagHTTPRoute, route})
		}
		if h.Received > 0 {
			dst = append(dst, Tag{TagHTTPReceived, string(appendUint(nil, uint64(h.Received)))})
		}
		if h.Sent > 0 {
			dst = append(dst, Tag{TagHTTPSent, string(appendUint(nil, uint64(h.Sent)))})
		}
	}
	return append(dst, s.Tags...)
}

func (s *Span) route() string {
	if s.HTTP.Route == 0 || int(s.HTTP.Route) >= len(s.Name) {
		return ""
	}
	return s.Name[s.HTTP.Route:]
}

// appendHTTP writes the tags of HTTP, each behind a comma.
func (s *Span) appendHTTP(dst []byte) []byte {
	h := &s.HTTP
	if h.Method == "" {
		return dst
	}
	if !s.hasTag(TagHTTPMethod) {
		dst = appendText(append(dst, `,"`+TagHTTPMethod+`":"`...), h.Method)
	}
	if !s.hasTag(TagHTTPPath) {
		dst = appendText(append(dst, `,"`+TagHTTPPath+`":"`...), h.Path)
	}
	if h.Status != 0 && !s.hasTag(TagHTTPStatus) {
		dst = append(append(dst, `,"http.status`...), `_code":"`...) // TagHTTPStatus in two: above 16 bytes a literal is copied by a call
		dst = appendUint(dst, uint64(h.Status))
		dst = append(dst, '"')
	}
	if route := s.route(); route != "" && !s.hasTag(TagHTTPRoute) {
		dst = appendText(append(dst, `,"`+TagHTTPRoute+`":"`...), route)
	}
	if h.Received > 0 && !s.hasTag(TagHTTPReceived) {
		dst = appendUint(append(dst, `,"`+TagHTTPReceived+`":"`...), uint64(h.Received))
		dst = append(dst, '"')
	}
	if h.Sent > 0 && !s.hasTag(TagHTTPSent) {
		dst = appendUint(append(dst, `,"`+TagHTTPSent+`":"`...), uint64(h.Sent))
		dst = append(dst, '"')
	}
	return dst
}

func (s *Span) hasTag(key string) bool {
	for i := range s.Tags {
		if s.Tags[i].Key == key {
			return true
		}
	}
	return false
}
