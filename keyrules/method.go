package keyrules

// otherMethod stands for every HTTP method that neither a standard nor a rule names, so that a
// client cannot make metrics by inventing methods. It is OpenTelemetry's word.
const otherMethod = "_OTHER"

// standardMethods are those of RFC 9110 with PATCH (RFC 5789) and QUERY.
var standardMethods = []string{
	"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE", "QUERY",
}

// method is m, or otherMethod.
func (s *Set) method(m string) string {
	if m == "GET" { // nearly all of them: spared the hash
		return "GET"
	}
	if known, ok := s.methods[m]; ok {
		return known
	}
	return otherMethod
}
