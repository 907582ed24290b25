package dialect

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/calltap/calltap/spanbuilder"
	"github.com/stretchr/testify/require"
)

// captured reads the firehose copies of a real nova in testdata, tokens and passwords blanked.
func captured(t testing.TB) []Record {
	t.Helper()
	files, err := filepath.Glob("testdata/nova-*.jsonl")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var records []Record
	for _, name := range files {
		records = append(records, readCapture(t, name)...)
	}
	return records
}

func readCapture(t testing.TB, name string) []Record {
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	var records []Record
	in := bufio.NewScanner(f)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var line struct {
			RoutingKey string `json:"routing_key"`
			Headers    struct {
				Exchange   string   `json:"exchange_name"`
				Keys       []string `json:"routing_keys"`
				VHost      string   `json:"vhost"`
				Properties struct {
					Expiration string `json:"expiration"`
				} `json:"properties"`
			} `json:"headers"`
			Body []byte `json:"body_b64"`
		}
		require.NoError(t, json.Unmarshal(in.Bytes(), &line))
		r := Record{
			Point: spanbuilder.Published, VHost: line.Headers.VHost, Exchange: line.Headers.Exchange,
			RoutingKey: line.Headers.Keys[0], Body: line.Body,
			Properties: Properties{Expiration: line.Headers.Properties.Expiration},
		}
		if q, ok := strings.CutPrefix(line.RoutingKey, "deliver."); ok {
			r.Point, r.Queue = spanbuilder.Delivered, q
		}
		records = append(records, r)
	}
	require.NoError(t, in.Err())
	require.NotEmpty(t, records)
	return records
}
