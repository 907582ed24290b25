package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// proxy is another proxy in front of the same upstream, which traces nothing. It is for scale: Caddy's own price is
// many times that of tracing, and who chooses Caddy has chosen to pay it.
type proxy struct {
	name   string
	config func(dir string, port int, upstream string) string
	argv   func(program, dir, file string) []string
}

var proxies = []proxy{
	{"nginx", nginxConfig, func(program, dir, file string) []string {
		return []string{program, "-p", dir, "-c", file, "-e", filepath.Join(dir, "nginx.err")}
	}},
	{"haproxy", haproxyConfig, func(program, _, file string) []string {
		return []string{program, "-db", "-f", file}
	}},
}

// nginxConfig is two workers with connections kept open on both sides, as Caddy keeps them.
func nginxConfig(dir string, port int, upstream string) string {
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;\n" // another one may not enter dir
	}
	return fmt.Sprintf(`%sworker_processes 2;
daemon off;
pid %[2]s/nginx.pid;
error_log %[2]s/nginx.err;
events { worker_connections 512; }
http {
	access_log off;
	client_body_temp_path %[2]s/nginx-body;
	proxy_temp_path %[2]s/nginx-proxy;
	fastcgi_temp_path %[2]s/nginx-fastcgi;
	uwsgi_temp_path %[2]s/nginx-uwsgi;
	scgi_temp_path %[2]s/nginx-scgi;
	upstream api { server %[4]s; keepalive 64; keepalive_requests 1000000000; }
	server {
		listen 127.0.0.1:%[3]d;
		keepalive_requests 1000000000;
		location / {
			proxy_pass http://api;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $http_host;
			proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
		}
	}
}
`, user, dir, port, upstream)
}

// haproxyConfig is two threads, likewise.
func haproxyConfig(_ string, port int, upstream string) string {
	return fmt.Sprintf(`global
	nbthread 2
	maxconn 1000
defaults
	mode http
	timeout connect 10s
	timeout client 60s
	timeout server 60s
frontend site
	bind 127.0.0.1:%d
	option forwardfor
	default_backend api
backend api
	http-reuse always
	server api %s
`, port, upstream)
}

// startProxy starts the proxy, or returns nil if the machine has none.
func (r *rig) startProxy(ctx context.Context, p proxy, upstream string) (*site, error) {
	program, err := findProgram(p.name)
	if err != nil {
		return nil, nil
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(r.dir, p.name+".conf")
	if err := os.WriteFile(file, []byte(p.config(r.dir, port, upstream)), 0o600); err != nil {
		return nil, err
	}
	proc, err := start(r.dir, p.name, nil, p.argv(program, r.dir, file)...)
	if err != nil {
		return nil, err
	}
	err = until(ctx, 20*time.Second, p.name+" to listen", func() bool { return proc.died() != nil || answers(port) })
	if err = errors.Join(err, proc.died()); err != nil {
		proc.stop()
		return nil, err
	}
	proc.workers = children(proc.pid())
	return &site{process: proc, port: port}, nil
}

// findProgram looks where Debian puts daemons, too.
func findProgram(name string) (string, error) {
	if program, err := exec.LookPath(name); err == nil {
		return program, nil
	}
	return exec.LookPath("/usr/sbin/" + name)
}

// children are the processes that a process has started.
func children(pid int) (pids []int) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, word := range strings.Fields(string(text)) {
		if pid, err := strconv.Atoi(word); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
