package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/calltap/calltap/integration/harness"
)

// Making all schemas takes most of a minute of CPU, and a loaded machine takes several.
const (
	commandTimeout = 8 * time.Minute
	startTimeout   = 5 * time.Minute
)

var databases = []string{"keystone", "glance", "placement", "nova", "nova_api", "nova_cell0"}

// Nova stores where its cells are. These templates are filled from its configuration, so a copy of the databases
// serves at other ports.
const (
	cellDatabase  = "mysql+pymysql://{username}:{password}@{hostname}:{port}/%s?charset=utf8"
	cellTransport = "rabbit://{username}:{password}@{hostname}:{port}/"
)

// seed is the folder with databases that have all schemas, keystone's administrator and nova's cells, and
// nothing else; and with keystone's keys. It is made once, and only ever seen complete.
func seed(state string) (dir string, err error) {
	dir = filepath.Join(state, "seed")
	unlock, err := lock(filepath.Join(state, "seed.lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	growing := dir + ".growing"
	if err := os.RemoveAll(growing); err != nil {
		return "", err
	}
	if err := os.MkdirAll(growing, 0o700); err != nil {
		return "", err
	}
	if err := grow(state, growing); err != nil {
		return "", err
	}
	return dir, os.Rename(growing, dir)
}

// lock waits for its turn: two runs may start in one checkout.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { f.Close() }, nil
}

func grow(state, dir string) error {
	if err := createSQL(filepath.Join(dir, "mysql")); err != nil {
		return err
	}
	db, err := startSQL(dir)
	if err != nil {
		return err
	}
	defer db.Kill()
	if err := db.query(schemas()); err != nil {
		return err
	}
	s := settings{Dir: dir, Debs: filepath.Join(state, "debs"), SQL: db.port, Rabbit: "rabbit://guest:guest@127.0.0.1:1/"}
	if err := s.write(); err != nil {
		return err
	}
	if err := s.fill(); err != nil {
		return err
	}
	// Nova tells when a step of an action began and ended, in whole seconds as its schema has it. These
	// times are what inferred lengths are compared with, so they get their fraction.
	err = db.query(`ALTER TABLE nova.instance_actions_events MODIFY start_time DATETIME(6), MODIFY finish_time DATETIME(6)`)
	if err != nil {
		return err
	}
	return db.Stop()
}

func schemas() string {
	var b strings.Builder
	for _, name := range databases {
		fmt.Fprintf(&b, "CREATE DATABASE %s CHARACTER SET utf8mb3;\n", name)
	}
	fmt.Fprintf(&b, "CREATE USER nova@127.0.0.1 IDENTIFIED BY '%s'; GRANT ALL ON *.* TO nova@127.0.0.1;\n", password)
	fmt.Fprintf(&b, "CREATE USER nova@localhost IDENTIFIED BY '%s'; GRANT ALL ON *.* TO nova@localhost;\n", password)
	return b.String()
}

// fill runs the services' own tools, those of different services side by side.
func (s settings) fill() error {
	keystone := []string{"keystone-manage", "--config-file", s.conf("keystone.conf")}
	placement := []string{"placement-manage", "--config-file", s.conf("placement.conf")}
	glance := []string{s.script("glance-manage"), "--config-file", s.conf("glance-api.conf")}
	nova := s.novaManage()
	with := func(base []string, more ...string) []string { return append(base[:len(base):len(base)], more...) }
	groups := [][][]string{
		{
			with(keystone, "db_sync"),
			with(keystone, "fernet_setup", "--keystone-user", "root", "--keystone-group", "root"),
			with(keystone, "credential_setup", "--keystone-user", "root", "--keystone-group", "root"),
			with(keystone, "bootstrap", "--bootstrap-password", password, "--bootstrap-region-id", "RegionOne"),
		},
		{with(placement, "db", "sync"), with(glance, "db_sync")},
		{
			with(nova, "api_db", "sync"),
			with(nova, "cell_v2", "map_cell0", "--database_connection", fmt.Sprintf(cellDatabase, "nova_cell0")),
			with(nova, "db", "sync"),
			with(nova, "cell_v2", "create_cell", "--name", "cell1", "--transport-url", cellTransport,
				"--database_connection", fmt.Sprintf(cellDatabase, "nova")),
		},
	}
	var wait sync.WaitGroup
	errs := make([]error, len(groups))
	for i, group := range groups {
		wait.Go(func() {
			for j, command := range group {
				if errs[i] = s.run(fmt.Sprintf("setup-%d-%d", i, j), command); errs[i] != nil {
					return
				}
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

func (s settings) novaManage() []string {
	return []string{s.script("nova-manage"), "--config-file", s.conf("nova.conf")}
}

// run runs one of the services' tools, all of which are Python, to its end.
func (s settings) run(name string, command []string) error {
	script, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	p, err := harness.Run(harness.Spec{Name: name, Path: python, Args: append([]string{script}, command[1:]...), Dir: s.Dir})
	if err != nil {
		return err
	}
	code, err := p.Wait(commandTimeout)
	if err != nil {
		p.Kill()
		return err
	}
	if code != 0 {
		return fmt.Errorf("%s: exit status %d\n%s", strings.Join(command, " "), code, tail(p.Output()))
	}
	return nil
}

// tail is the end of what a program printed.
func tail(s string) string {
	const keep = 3000
	return strings.TrimSpace(s[max(0, len(s)-keep):])
}
