package wire

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// maxFields is how many fields of one table or array are read; what follows is not there. It is amqp091-go's limit too.
const maxFields = 8192

// Table is the inside of an AMQP field table, as it was sent: its length before it is cut off. It
// is read from the front whenever it is asked something, which suits the few questions that a message is
// asked, and allocates nothing. Tables within it are skipped by their length, so depth costs nothing.
//
// Field types are those that RabbitMQ writes (https://www.rabbitmq.com/amqp-0-9-1-errata, section 3), of which
// some differ from the specification: s is an int16. A table that is broken ends where it breaks.
type Table []byte

// Value is one field of a table or an array.
type Value struct {
	Type byte   // as on the wire: S, I, t, …; zero is none
	Data []byte // of S, x, F and A without their length
}

// Array is the inside of an AMQP field array.
type Array []byte

// Next takes the first field off the table. It returns false at the end, and where the table is broken.
func (t *Table) Next() (name []byte, v Value, ok bool) {
	b := *t
	if len(b) == 0 {
		return nil, Value{}, false
	}
	at := 1 + int(b[0])
	if at >= len(b) {
		return nil, Value{}, false
	}
	v, size := readValue(b[at:])
	if size == 0 {
		return nil, Value{}, false
	}
	name = b[1:at]
	*t = b[at+size:]
	return name, v, true
}

// Get returns the field of that name, the last if there are more as a map would. It is the zero Value if there is none.
func (t Table) Get(name string) (found Value) {
	for range maxFields {
		key, v, ok := t.Next()
		if !ok {
			break
		}
		if string(key) == name {
			found = v
		}
	}
	return found
}

// Next takes the first element off the array. It returns false at the end, and where the array is broken.
func (a *Array) Next() (v Value, ok bool) {
	v, size := readValue(*a)
	if size == 0 {
		return Value{}, false
	}
	*a = (*a)[size:]
	return v, true
}

// Len counts the elements.
func (a Array) Len() (n int) {
	for ; n < maxFields; n++ {
		if _, ok := a.Next(); !ok {
			break
		}
	}
	return n
}

// readValue reads the field that b begins with, and its size with type and length; zero is a broken one.
func readValue(b []byte) (Value, int) {
	if len(b) == 0 {
		return Value{}, 0
	}
	from, size := 1, 0
	switch b[0] {
	case 'V':
	case 't', 'b', 'B':
		size = 1
	case 's', 'u':
		size = 2
	case 'I', 'i', 'f':
		size = 4
	case 'D':
		size = 5
	case 'l', 'd', 'T':
		size = 8
	case 'S', 'x', 'F', 'A':
		if len(b) < 5 {
			return Value{}, 0
		}
		n := binary.BigEndian.Uint32(b[1:])
		if n > math.MaxInt32 {
			return Value{}, 0
		}
		from, size = 5, int(n)
	default:
		return Value{}, 0
	}
	if size > len(b)-from {
		return Value{}, 0
	}
	return Value{Type: b[0], Data: b[from : from+size]}, from + size
}

// Text is a string, or what some clients send in its place, bytes. It points into the table.
func (v Value) Text() string {
	if v.Type != 'S' && v.Type != 'x' {
		return ""
	}
	return text(v.Data)
}

// Int is an integer of any type, or a truth value as 0 or 1.
func (v Value) Int() (n int64, ok bool) {
	switch v.Type {
	case 't':
		if v.Data[0] != 0 {
			return 1, true
		}
		return 0, true
	case 'b':
		return int64(int8(v.Data[0])), true
	case 'B':
		return int64(v.Data[0]), true
	case 's':
		return int64(int16(binary.BigEndian.Uint16(v.Data))), true
	case 'u':
		return int64(binary.BigEndian.Uint16(v.Data)), true
	case 'I':
		return int64(int32(binary.BigEndian.Uint32(v.Data))), true
	case 'i':
		return int64(binary.BigEndian.Uint32(v.Data)), true
	case 'l':
		return int64(binary.BigEndian.Uint64(v.Data)), true
	}
	return 0, false
}

// Truth is a flag, which RabbitMQ's firehose writes as an integer.
func (v Value) Truth() bool {
	n, _ := v.Int()
	return n != 0
}

// Table is a table, and false if v is none.
func (v Value) Table() (Table, bool) { return Table(v.Data), v.Type == 'F' }

// Array is an array, and false if v is none.
func (v Value) Array() (Array, bool) { return Array(v.Data), v.Type == 'A' }

// text is b as a string without a copy, valid until the buffer that holds b is read into again.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
