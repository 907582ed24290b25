package dialect

// headerMap are headers that are all strings.
type headerMap map[string]string

func (h headerMap) Header(name string) string                       { return h[name] }
func (h headerMap) Int(string) (int64, bool)                        { return 0, false }
func (h headerMap) Strings(_ string, dst []string) []string         { return dst }
func (h headerMap) Death() (reason, queue string, n int64, ok bool) { return "", "", 0, false }
