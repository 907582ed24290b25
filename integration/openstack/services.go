package main

import (
	"fmt"
	"os/exec"

	"github.com/calltap/calltap/integration/harness"
)

// services are the HTTP APIs that calltap stands in front of.
var services = []string{"nova-api", "glance", "placement", "keystone"}

// accessLog is the line by which an API tells of a request that it got, for the witness.
const accessLog = "request %(method) %(uri) %(status) %(var.HTTP_X_OPENSTACK_REQUEST_ID)"

// startAPI starts a service under uwsgi, as Debian's packages do.
func (c *cloud) startAPI(name string) error {
	uwsgi, err := exec.LookPath("uwsgi")
	if err != nil {
		return err
	}
	script, processes, env := c.wsgi(name)
	c.daemons[name], err = harness.Run(harness.Spec{
		Name: name, Path: uwsgi, Dir: c.Dir, Env: env,
		Args: []string{
			"--plugins", "python3", "--http-socket", c.apis[name].addr(), "--wsgi-file", script,
			"--master", "--processes", fmt.Sprint(processes), "--threads", "1", "--enable-threads", "--lazy-apps",
			"--no-orphans", "--die-on-term", "--buffer-size", "65535", "--post-buffering", "65536",
			"--add-header", "Connection: close", // it keeps no connection open, and by itself does not say so
			"--log-format", accessLog,
		},
	})
	return err
}

// wsgi says where a service's application is, how many processes it gets, and how it finds its configuration.
func (c *cloud) wsgi(name string) (script string, processes int, env []string) {
	switch name {
	case "keystone":
		return "/usr/bin/keystone-wsgi-public", 2, []string{"OS_KEYSTONE_CONFIG_FILES=" + c.conf("keystone.conf")}
	case "placement":
		return "/usr/bin/placement-api", 2, []string{"OS_PLACEMENT_CONFIG_DIR=" + c.Dir}
	case "glance":
		return c.script("glance-wsgi-api"), 1, []string{"OS_GLANCE_CONFIG_DIR=" + c.Dir}
	default:
		return c.script("nova-api-wsgi"), 2, []string{
			"OS_NOVA_CONFIG_DIR=" + c.Dir,
			"OS_NOVA_CONFIG_FILES=" + c.Debs + "/usr/share/nova-common/api-paste.ini;nova.conf;nova-api.conf",
		}
	}
}

// startNova starts nova's own programs. Each names its connections to the broker after itself.
func (c *cloud) startNova() error {
	programs := map[string][]string{
		"nova-conductor": {c.script("nova-conductor")},
		"nova-scheduler": {c.script("nova-scheduler")},
	}
	for host := range computes {
		programs["nova-"+host] = []string{c.script("nova-compute"), "--config-file", c.conf(host + ".conf")}
	}
	for name, command := range programs {
		args := append([]string{command[0], "--config-file", c.conf("nova.conf")}, command[1:]...)
		var err error
		c.daemons[name], err = harness.Run(harness.Spec{Name: name, Path: python, Args: args, Dir: c.Dir})
		if err != nil {
			return err
		}
	}
	return c.startAPI("nova-api")
}
