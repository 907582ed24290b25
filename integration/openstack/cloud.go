package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/calltap/calltap/integration/harness"
	"github.com/calltap/calltap/integration/ports"
	"github.com/calltap/calltap/integration/rabbit"
)

// python is Debian's, whose packages the services are; another one may come first in PATH.
const python = "/usr/bin/python3"

// computes are the hosts that nova-compute pretends to run on.
var computes = map[string]bool{"compute1": true, "compute2": true}

// api is one of the HTTP services: what clients reach it at, and the server itself.
type api struct {
	name   string
	detour *detour // at the address in the catalog: through calltap, or around it
	port   int     // of the service
}

// cloud is a running OpenStack.
type cloud struct {
	settings

	db      *mariadb
	broker  *rabbit.Node
	neutron *neutron

	apis    map[string]*api
	daemons map[string]*harness.Process
}

// newCloud starts what has no need of calltap: databases, broker, and the addresses of all the rest.
func newCloud(dir, state, seed string) (*cloud, error) {
	c := &cloud{apis: make(map[string]*api), daemons: make(map[string]*harness.Process)}
	for _, part := range []string{"mysql", "keystone"} {
		if out, err := exec.Command("cp", "-a", filepath.Join(seed, part), dir).CombinedOutput(); err != nil {
			return c, fmt.Errorf("copying %s: %w: %s", part, err, out)
		}
	}
	var err error
	if c.db, err = startSQL(dir); err != nil {
		return c, err
	}
	if err := c.startBroker(filepath.Join(dir, "rabbit")); err != nil {
		return c, err
	}
	if c.neutron, err = startNeutron(); err != nil {
		return c, err
	}
	free, err := ports.Free(len(services))
	if err != nil {
		return c, err
	}
	for i, name := range services {
		c.apis[name] = &api{name: name, port: free[i]}
		if c.apis[name].detour, err = startDetour(c.apis[name].addr()); err != nil {
			return c, err
		}
	}
	c.settings = settings{
		Dir: dir, Debs: filepath.Join(state, "debs"), SQL: c.db.port,
		Rabbit:   fmt.Sprintf("rabbit://guest:guest@127.0.0.1:%d/", c.broker.Port),
		Keystone: c.apis["keystone"].URL(), Glance: c.apis["glance"].URL(),
	}
	return c, c.write()
}

// startBroker starts RabbitMQ with the tap's user as docs/openstack.md has it.
func (c *cloud) startBroker(dir string) (err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if c.broker, err = rabbit.Launch(dir, "rabbitmq_management"); err != nil {
		return err
	}
	for _, command := range [][]string{
		{"add_user", "tap", password},
		{"set_permissions", "-p", "/", "tap", `^tap\.`, `^tap\.`, `^(tap\.|amq\.rabbitmq\.trace$)`},
		{"set_user_tags", "tap", "monitoring"},
		{"trace_on", "-p", "/"},
	} {
		if _, err := c.broker.Run(command...); err != nil {
			return err
		}
	}
	return nil
}

// addr is where the service itself listens.
func (a *api) addr() string { return fmt.Sprintf("127.0.0.1:%d", a.port) }

// URL is what stands in the catalog.
func (a *api) URL() string { return "http://" + a.detour.addr() }

// answers says whether the service answers at all.
func (a *api) answers() error {
	resp, err := http.Get("http://" + a.addr() + "/")
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// start starts the services in the order in which they need each other, and returns when servers can be booted.
func (c *cloud) start(ctx context.Context) (*client, error) {
	for _, name := range []string{"keystone", "placement", "glance"} {
		if err := c.startAPI(name); err != nil {
			return nil, err
		}
	}
	if err := c.await(ctx, "keystone", func() error { return c.apis["keystone"].answers() }); err != nil {
		return nil, err
	}
	cl, err := newClient(c)
	if err != nil {
		return nil, err
	}
	if err := cl.fillCatalog(c); err != nil {
		return nil, err
	}
	if err := c.startNova(); err != nil {
		return nil, err
	}
	for _, name := range []string{"placement", "glance", "nova-api"} {
		if err := c.await(ctx, name, func() error { return c.apis[name].answers() }); err != nil {
			return nil, err
		}
	}
	if err := c.await(ctx, "nova's services", cl.allUp); err != nil {
		return nil, err
	}
	if err := c.run("discover", append(c.novaManage(), "cell_v2", "discover_hosts")); err != nil {
		return nil, err
	}
	return cl, cl.fillImages()
}

// await asks until check returns nil.
func (c *cloud) await(ctx context.Context, what string, check func() error) error {
	for deadline := time.Now().Add(startTimeout); ; {
		err := check()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not ready after %s: %w\n%s", what, startTimeout, err, c.logOf(what))
		}
		select {
		case <-ctx.Done():
			return errors.New("interrupted")
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (c *cloud) logOf(name string) string {
	if p := c.daemons[name]; p != nil {
		return tail(p.Output())
	}
	return ""
}

// stop ends everything, the last started first.
func (c *cloud) stop() {
	for _, p := range c.daemons {
		_ = p.Signal(syscall.SIGCONT) // it may be one that a scenario had stopped
		p.Kill()
	}
	if c.neutron != nil {
		c.neutron.close()
	}
	for _, a := range c.apis {
		if a.detour != nil {
			a.detour.close()
		}
	}
	if c.broker != nil {
		c.broker.Shutdown()
	}
	if c.db != nil {
		c.db.Kill()
	}
}
