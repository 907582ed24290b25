package dialect

import (
	"testing"

	"github.com/calltap/calltap/spanbuilder"
)

// BenchmarkCaptured decodes the copies of a real nova boot, 4.0 KB on average, in turn.
func BenchmarkCaptured(b *testing.B) {
	records := readCapture(b, "testdata/nova-boot.jsonl")
	size := 0
	for _, r := range records {
		size += len(r.Body)
	}
	set, err := NewSet(Limits{})
	if err != nil {
		b.Fatal(err)
	}
	var m spanbuilder.Message
	b.SetBytes(int64(size / len(records)))
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if _, v := set.Decode(&records[i%len(records)], &m); v != Decoded {
			b.Fatal(v)
		}
	}
}

// BenchmarkReference is what encoding/json takes for the same, as a yardstick on the same machine.
func BenchmarkReference(b *testing.B) {
	records := readCapture(b, "testdata/nova-boot.jsonl")
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if _, ok := reference(&records[i%len(records)]); !ok {
			b.Fatal("reference failed")
		}
	}
}
