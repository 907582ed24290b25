package span

import (
	"encoding/binary"
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
