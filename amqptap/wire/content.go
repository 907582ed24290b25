package wire

// Delivery is one message that the broker delivered to the consumer. All of it points into memory that is used
// again once Options.Deliver returns.
type Delivery struct {
	Tag         uint64 // to be acknowledged by
	Redelivered bool
	Exchange    string
	RoutingKey  string
	Properties  Properties
	Body        []byte // the first Options.MaxBody bytes at most
	Size        uint64 // of the whole body
	Received    int64  // when the last of it came, see Socket.Received, Unix microseconds
}

// Properties are AMQP's basic properties, section 4.2.6.1 of the specification. What a message does not have is zero.
type Properties struct {
	ContentType     string
	ContentEncoding string
	Headers         Table
	DeliveryMode    uint8
	Priority        uint8
	CorrelationID   string
	ReplyTo         string
	Expiration      string
	MessageID       string
	Timestamp       int64 // Unix seconds
	Type            string
	UserID          string
	AppID           string
}

// The bits of the property flags: the first property is the highest bit.
const (
	hasContentType     = 1 << 15
	hasContentEncoding = 1 << 14
	hasHeaders         = 1 << 13
	hasDeliveryMode    = 1 << 12
	hasPriority        = 1 << 11
	hasCorrelationID   = 1 << 10
	hasReplyTo         = 1 << 9
	hasExpiration      = 1 << 8
	hasMessageID       = 1 << 7
	hasTimestamp       = 1 << 6
	hasType            = 1 << 5
	hasUserID          = 1 << 4
	hasAppID           = 1 << 3
	hasReserved        = 1 << 2
	hasMoreFlags       = 1 << 0
)

// readDeliver reads the payload of basic.deliver. tag is the consumer's.
func (d *Delivery) readDeliver(payload []byte) (tag string, ok bool) {
	c := cursor{b: payload[4:]}
	tag = c.shortstr()
	d.Tag = c.longlong()
	d.Redelivered = c.octet()&1 != 0
	d.Exchange = c.shortstr()
	d.RoutingKey = c.shortstr()
	return tag, !c.bad
}

// readHeader reads the payload of a content header: the body's size, and the properties.
func (d *Delivery) readHeader(payload []byte) bool {
	c := cursor{b: payload}
	class, _ := c.short(), c.short() // the second is the weight, always zero
	d.Size = c.longlong()
	flags := c.short()
	if class != classBasic || flags&hasMoreFlags != 0 {
		return false
	}
	d.Properties = Properties{}
	d.Properties.read(&c, flags)
	return !c.bad
}

func (p *Properties) read(c *cursor, flags uint16) {
	str := func(bit uint16, to *string) {
		if flags&bit != 0 {
			*to = c.shortstr()
		}
	}
	str(hasContentType, &p.ContentType)
	str(hasContentEncoding, &p.ContentEncoding)
	if flags&hasHeaders != 0 {
		p.Headers = c.table()
	}
	if flags&^(hasContentType|hasContentEncoding|hasHeaders) == 0 {
		return // a copy from the firehose
	}
	if flags&hasDeliveryMode != 0 {
		p.DeliveryMode = c.octet()
	}
	if flags&hasPriority != 0 {
		p.Priority = c.octet()
	}
	str(hasCorrelationID, &p.CorrelationID)
	str(hasReplyTo, &p.ReplyTo)
	str(hasExpiration, &p.Expiration)
	str(hasMessageID, &p.MessageID)
	if flags&hasTimestamp != 0 {
		p.Timestamp = int64(c.longlong())
	}
	str(hasType, &p.Type)
	str(hasUserID, &p.UserID)
	str(hasAppID, &p.AppID)
	var reserved string
	str(hasReserved, &reserved)
}
