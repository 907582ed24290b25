package openapi

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const petsYAML = `openapi: 3.1.0
servers:
  - url: https://{region}.example.org/v1/
    variables:
      region: {default: eu}
paths:
  x-note: not a path
  /pets:
    summary: all
    get: {operationId: listPets}
    post:
      tags: [pets]
  /pets/{pet-id}.json:
    get:
      operationId: exportPet
  /pets/{pet-id}:
    $ref: '#/components/pathItems/pet'
  /compare/{base}...{head}:
    get: {operationId: repos/compare-commits}
components:
  pathItems:
    pet:
      delete: {operationId: deletePet}
`

const petsJSON = `{
	"openapi": "3.0.3",
	"paths": {
		"/pets/{id}/toys/{id}": {
			"get": {
				"responses": {"200": {"description": "a \"}"}},
				"operationId": "listToys"
			}
		}
	}
}`

func TestRoutesOfYAML(t *testing.T) {
	require.True(t, Is([]byte(petsYAML)))
	base, routes, err := Routes([]byte(petsYAML))
	require.NoError(t, err)
	require.Equal(t, "/v1", base)
	require.Equal(t, []Route{
		{"GET", "/pets", "listPets", 10},
		{"POST", "/pets", "", 11},
		{"GET", "/pets/*", "exportPet", 15},
		{"DELETE", "/pets/{pet_id}", "deletePet", 23},
		{"GET", "/compare/*", "repos/compare-commits", 19},
	}, routes)
}

func TestRoutesOfJSON(t *testing.T) {
	require.True(t, Is([]byte(petsJSON)))
	base, routes, err := Routes([]byte("\xef\xbb\xbf" + petsJSON))
	require.NoError(t, err)
	require.Empty(t, base)
	require.Equal(t, []Route{{"GET", "/pets/{id}/toys/*", "listToys", 7}}, routes)
}

func TestSwaggerHasItsBasePath(t *testing.T) {
	base, routes, err := Routes([]byte(`{"swagger":"2.0","basePath":"/v2/","paths":{"/pets":{"get":{"operationId":"a"}}}}`))
	require.NoError(t, err)
	require.Equal(t, "/v2", base)
	require.Equal(t, []Route{{"GET", "/pets", "a", 1}}, routes)
}

func TestATableOfRoutesIsNoDocument(t *testing.T) {
	require.False(t, Is([]byte("GET\t/v2.1/servers\tindex\n# openapi: no\n")))
	require.False(t, Is(nil))
	require.True(t, Is([]byte("# ours\n\"openapi\": 3.0.0\n")))
}

func TestWhatIsWrongIsToldWithItsLine(t *testing.T) {
	for text, want := range map[string]struct {
		line int
		text string
	}{
		"{\n\"openapi\": \"3\",\n}":           {3, "reading JSON"},
		"{\"openapi\": \"3\"}\n\n[]":          {3, "something follows"},
		"{\"openapi\": \"3\",\n\"paths\":":    {2, "unexpected EOF"},
		"openapi: 3\npaths:\n\t- x":           {3, "reading YAML"},
		"":                                    {0, "empty"},
		"openapi: 3.0.0\ninfo: {}":            {1, "no paths"},
		"paths: {}":                           {1, "no member openapi"},
		"- openapi":                           {1, "want an object"},
		"openapi: 3.0.0\npaths: {}":           {2, "no operation"},
		"openapi: 3.0.0\npaths:\n  pets: {}":  {3, `"pets" does not begin with /`},
		"openapi: 3.0.0\npaths:\n  /a/{b: {}": {3, "a brace has no partner"},
		"openapi: 3.0.0\npaths:\n  /a: {$ref: 'other.yaml#/a'}":     {3, "bundle it"},
		"openapi: 3.0.0\npaths:\n  /a: {$ref: '#/components/none'}": {3, "leads nowhere"},
		"openapi: 3.0.0\npaths:\n  /a: {$ref: '#/paths/~1a'}":       {3, "in a circle"},
		`{"openapi":` + strings.Repeat("[", 2000):                   {1, "nested too deep"},
	} {
		_, _, err := Routes([]byte(text))
		require.ErrorContains(t, err, want.text, text)
		var e *Error
		require.True(t, errors.As(err, &e))
		require.Equal(t, want.line, e.Line, "%q: %v", text, err)
	}
}

// FuzzRoutes shows that no document brings the reader down, and that its routes are fit for rules.
func FuzzRoutes(f *testing.F) {
	f.Add([]byte(petsYAML))
	f.Add([]byte(petsJSON))
	f.Add([]byte("openapi: 3\npaths: &a\n  /x: *a\n"))
	f.Add([]byte(`{"swagger":1,"basePath":"{x}","paths":{"/{}/{a b}/{-}":{"get":{}}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		Is(text)
		_, routes, err := Routes(text)
		if err != nil {
			var e *Error
			require.True(t, errors.As(err, &e))
			return
		}
		for _, r := range routes {
			require.Contains(t, methods, strings.ToLower(r.Method))
			for _, s := range strings.Split(r.Path, "/") {
				if strings.ContainsAny(s, "{}") && strings.HasPrefix(s, "{") {
					require.NotEmpty(t, strings.Trim(s, "{}"), "%q", r.Path)
				}
			}
		}
		if json.Valid(text) {
			require.True(t, Is(text))
		}
	})
}
