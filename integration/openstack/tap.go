package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/calltap/calltap/integration/harness"
	"github.com/calltap/calltap/integration/ports"
)

// observer is calltap with the sinks that it sends to.
type observer struct {
	*harness.Calltap
	zipkin *harness.Zipkin
	statsd *harness.StatsD
	ports  map[string]int // of the sites
}

// siteVariables are the Caddyfile's names for a service: PREFIX_PORT, and PREFIX_API behind it.
var siteVariables = map[string]string{"nova-api": "NOVA", "glance": "GLANCE", "placement": "PLACEMENT", "keystone": "KEYSTONE"}

// startObserver builds calltap and starts it with the example's Caddyfile.
func startObserver(c *cloud) (*observer, error) {
	o := &observer{ports: make(map[string]int)}
	bin, err := harness.Build(c.Dir)
	if err != nil {
		return o, err
	}
	if o.zipkin, err = harness.StartZipkin(c.Dir); err != nil {
		return o, err
	}
	if o.statsd, err = harness.StartStatsD(c.Dir); err != nil {
		return o, err
	}
	options := harness.Options{
		"CALLTAP_BIND":       "127.0.0.1",
		"CALLTAP_ZIPKIN":     string(o.zipkin.ZipkinAPI) + "/api/v2/spans",
		"CALLTAP_STATSD":     o.statsd.Addr(),
		"CALLTAP_RABBITMQ":   c.broker.URLFor("tap", password),
		"CALLTAP_MANAGEMENT": c.broker.Management(),
	}
	free, err := ports.Free(len(services))
	if err != nil {
		return o, err
	}
	for i, name := range services {
		o.ports[name] = free[i]
		options[siteVariables[name]+"_PORT"] = fmt.Sprint(free[i])
		options[siteVariables[name]+"_API"] = c.apis[name].addr()
	}
	caddyfile, err := example()
	if err != nil {
		return o, err
	}
	o.Calltap, err = harness.StartCalltap(bin, c.Dir, caddyfile, options)
	return o, err
}

// example is the Caddyfile that docs/openstack.md explains.
func example() (string, error) {
	text, err := os.ReadFile(filepath.Join(harness.Root(), "integration", "openstack", "Caddyfile"))
	return string(text), err
}

// withoutIDs is the example for a nova that knows nothing of X-OpenStack-Request-ID: it never gets to see one.
func withoutIDs(caddyfile string) string {
	const upstream = "reverse_proxy {$NOVA_API:127.0.0.1:18774}"
	return strings.Replace(caddyfile, upstream, upstream+" {\n\t\theader_up -X-OpenStack-Request-ID\n\t}", 1)
}

// leadThrough leads all APIs' clients through calltap.
func (o *observer) leadThrough(c *cloud) {
	for name, a := range c.apis {
		a.detour.lead(fmt.Sprintf("127.0.0.1:%d", o.ports[name]))
	}
}

// leadAround leads them past it.
func (o *observer) leadAround(c *cloud) {
	for _, a := range c.apis {
		a.detour.lead(a.addr())
	}
}

// tapped fails while the tap is not connected to the broker.
func (o *observer) tapped() error {
	status, err := o.Status()
	if err != nil {
		return err
	}
	for _, source := range status.Sources {
		if source.Status["connected"] == true {
			return nil
		}
	}
	return fmt.Errorf("the tap is not connected: %v", status.Sources)
}

func (o *observer) stop() {
	if o.Calltap != nil && o.Process != nil {
		o.Stop()
	}
	if o.statsd != nil {
		o.statsd.Kill()
	}
	if o.zipkin != nil {
		o.zipkin.Kill()
	}
}
