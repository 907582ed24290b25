package wire

// Headers are an application's headers of a message, read from the table as it was sent. They are what
// dialects ask (dialect.Headers): names are exact, and what is not there or of another type is the zero value. The
// strings live as long as the Delivery.
type Headers struct{ Table Table }

// Header is a string.
func (h *Headers) Header(name string) string { return h.Table.Get(name).Text() }

// Int is an integer of any type, or a truth value as 0 or 1.
func (h *Headers) Int(name string) (n int64, ok bool) { return h.Table.Get(name).Int() }

// Strings appends the strings of an array to dst.
func (h *Headers) Strings(name string, dst []string) []string {
	a, ok := h.Table.Get(name).Array()
	if !ok {
		return dst
	}
	for range maxFields {
		v, ok := a.Next()
		if !ok {
			break
		}
		if v.Type == 'S' {
			dst = append(dst, text(v.Data))
		}
	}
	return dst
}

// Death is the newest entry of x-death, which brokers write when they dead-letter a message
// (https://www.rabbitmq.com/docs/dlx#effects).
func (h *Headers) Death() (reason, queue string, count int64, ok bool) {
	deaths, _ := h.Table.Get("x-death").Array()
	first, _ := deaths.Next()
	newest, ok := first.Table()
	if !ok {
		return "", "", 0, false
	}
	count, _ = newest.Get("count").Int()
	return newest.Get("reason").Text(), newest.Get("queue").Text(), count, true
}
