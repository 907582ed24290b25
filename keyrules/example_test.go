package keyrules_test

import (
	"fmt"
	"strings"

	"github.com/calltap/calltap/keyrules"
)

func Example() {
	config, err := keyrules.ParseRules([]byte(`
rule GET /carts/{id} key shop.{action}.{method} ; action show
rule rpc topic stock ; key shop.stock.{rpc.method|snake}
ignore GET /healthz
`), "shop.rules", nil)
	if err != nil {
		panic(err)
	}
	rules, err := keyrules.Compile(config)
	if err != nil {
		panic(err)
	}
	r := rules.Resolve(&keyrules.Call{Kind: keyrules.HTTP, Method: "GET", Path: "/carts/17", Status: 200})
	fmt.Println(r.Key, "|", r.Name, "|", r.Rule)
	r = rules.Resolve(&keyrules.Call{Kind: keyrules.RPC, Topic: "stock", RPCMethod: "reserveItem"})
	fmt.Println(r.Key, "|", r.Name, "|", r.Rule)
	fmt.Println(rules.Peek("GET", "shop.example.org", "/healthz").Ignore)
	// Output:
	// shop.show.GET | GET /carts/{id} | shop.rules:2
	// shop.stock.reserve_item | reserveItem | shop.rules:3
	// true
}

func ExampleSet_Explain() {
	config, _ := keyrules.ParseRules([]byte("rule GET /carts/{id} key shop.{action}\nrule POST /carts/{id}/action key shop.{action}\n"), "shop.rules", nil)
	rules, _ := keyrules.Compile(config)
	fmt.Print(rules.Explain(&keyrules.Call{Method: "POST", Path: "/carts/17/action", BodyKey: "merge"}))
	// Output:
	// rule      shop.rules:2
	// key       shop.merge
	// span      POST /carts/{id}/action
	// action    merge (first key of the JSON body)
	// before    shop.rules:1  method: POST is not GET
}

func ExampleParseRoutes() {
	table, err := keyrules.ParseRoutes(strings.NewReader("GET\t/carts/{id}\tshow\nGET\t/carts/popular\tpopular\n"), "carts.tsv")
	if err != nil {
		panic(err)
	}
	rules, _ := keyrules.Compile(keyrules.Config{Routes: []keyrules.Routes{{Prefix: "/v1", Key: "shop.{route}.{action}", Table: table}}})
	for _, path := range []string{"/v1/carts/popular", "/v1/carts/mine"} {
		r := rules.Resolve(&keyrules.Call{Method: "GET", Path: path})
		fmt.Println(r.Key, "|", r.Name, "|", r.Rule)
	}
	// Output:
	// shop.v1.carts.popular | GET /v1/carts/popular | carts.tsv:2
	// shop.v1.carts.show | GET /v1/carts/{id} | carts.tsv:1
}

func ExampleStarterRules() {
	rules, _ := keyrules.Compile(keyrules.Config{})
	for id := range 3 {
		rules.Resolve(&keyrules.Call{Method: "GET", Path: fmt.Sprintf("/carts/%d", id), Service: "shop"})
	}
	fmt.Print(keyrules.StarterRules(rules.Unmatched()))
	// Output:
	// # Calls that no rule matched, the most frequent first.
	//
	// # 3 seen
	// rule GET /carts/{id} {
	// 	key {service|or:http}.{route}.{action}.{method}
	// 	action show
	// }
}
