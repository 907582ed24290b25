package span

import (
	"encoding/binary"
	"math/bits"
	"strconv"
)

// appendMicros appends a Unix time in microseconds in decimal. From 2001 to 2286 that is sixteen
// digits, which are made eight at a time in one register: with two or three times a span, strconv
// would be a fifth of the encoder.
func appendMicros(dst []byte, t int64) []byte {
	if t < 1e15 || t >= 1e16 {
		return strconv.AppendInt(dst, t, 10)
	}
	dst = binary.LittleEndian.AppendUint64(dst, digits8(uint64(t)/1e8))
	return binary.LittleEndian.AppendUint64(dst, digits8(uint64(t)%1e8))
}

// appendUint appends v in decimal. Below 1e8, as lengths up to 100 s and ports are, the eight digits are
// made as in appendMicros and written without their leading zeros: a third of strconv's time.
func appendUint(dst []byte, v uint64) []byte {
	if v >= 1e8 {
		return strconv.AppendUint(dst, v, 10)
	}
	d := digits8(v)
	zeros := bits.TrailingZeros64(d^ones*'0'|1<<56) / 8 // bytes; a zero keeps its last
	n := len(dst)
	return binary.LittleEndian.AppendUint64(dst, d>>(8*zeros&63))[:n+8-zeros]
}

// decimals holds the text of each byte with a dot behind it.
var decimals = func() (t [256]packed) {
	for i := range t {
		t[i] = pack(strconv.Itoa(i) + ".")
	}
	return t
}()

// appendIPv4 appends an address in dotted decimal. Each byte is looked up: four conversions took several times as long.
func appendIPv4(dst []byte, ip uint32) []byte {
	dst = room(dst, len("255.255.255.255."))
	n := len(dst)
	dst = dst[:cap(dst)]
	n = decimals[byte(ip>>24)].put(dst, n)
	n = decimals[byte(ip>>16)].put(dst, n)
	n = decimals[byte(ip>>8)].put(dst, n)
	n = decimals[byte(ip)].put(dst, n)
	return dst[:n-1] // the last dot
}

// put writes a text of up to four bytes into dst at n and returns where it ends.
func (p packed) put(dst []byte, n int) int {
	binary.LittleEndian.PutUint32(dst[n:n+4], uint32(p))
	return n + p.len()
}

// digits8 returns the eight decimal digits of x < 1e8, the first in the lowest byte. The number is
// halved three times: into two of four digits, four of two, eight of one. Each division of a half is
// a multiplication by a rounded reciprocal that is exact in its range, made on all halves at once.
func digits8(x uint64) uint64 {
	fours := x/10000 | x%10000<<32
	high := fours * 10486 >> 20 & 0x0000007f_0000007f // /100
	twos := high | (fours-100*high)<<16
	high = twos * 103 >> 10 & 0x000f_000f_000f_000f // /10
	return (high | (twos-10*high)<<8) + ones*'0'
}
