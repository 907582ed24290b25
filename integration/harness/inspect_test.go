package harness

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStatsDTablesAreReadAsNodePrintsThem(t *testing.T) {
	got, err := parseInspect(`{
  'statsd.bad_lines_seen': 1,
  x: 120,
  "we ird'k/ey": -3.5,
  'a.b.c': [
     0,  1,
    ... 20 more items
  ],
  one: [ 7 ], none: []
}
`)
	require.NoError(t, err)
	require.Equal(t, map[string]Values{
		"statsd.bad_lines_seen": {Count: 1, Numbers: []float64{1}},
		"x":                     {Count: 1, Numbers: []float64{120}},
		"we ird'k/ey":           {Count: 1, Numbers: []float64{-3.5}},
		"a.b.c":                 {Count: 22, Numbers: []float64{0, 1}},
		"one":                   {Count: 1, Numbers: []float64{7}},
		"none":                  {},
	}, got)

	got, err = parseInspect("{}\n")
	require.NoError(t, err)
	require.Empty(t, got)

	for _, broken := range []string{"", "{ x 3 }", "{ x: y }", "{ x: [ 1, ", "ERROR"} {
		_, err := parseInspect(broken)
		require.Error(t, err, broken)
	}
}
