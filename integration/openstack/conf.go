package main

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

//go:embed conf
var templates embed.FS

// settings are what the configuration files of the services need to know: where everything is.
type settings struct {
	Dir    string // of this run
	Debs   string // where packages.sh unpacked the programs
	SQL    int    // MariaDB's port
	Rabbit string // transport URL

	// The URLs at which services find one another.
	Keystone, Glance string
}

// password is that of every account. They end with the run, and are reachable from this machine alone.
const password = "calltap"

// Database is SQLAlchemy's URL of a database.
func (s settings) Database(name string) string {
	return fmt.Sprintf("mysql+pymysql://%s/%s?charset=utf8", s.sqlAccount(), name)
}

func (s settings) sqlAccount() string {
	return fmt.Sprintf("nova:%s@127.0.0.1:%d", password, s.SQL)
}

// Auth is how a service proves to keystone who it is.
func (s settings) Auth(user string) string {
	return strings.Join([]string{
		"auth_url = " + s.Keystone,
		"auth_type = password",
		"username = " + user,
		"password = " + password,
		"project_name = service",
		"user_domain_id = default",
		"project_domain_id = default",
	}, "\n")
}

// write renders all templates into Dir, and makes the folders that they name.
func (s settings) write() error {
	for _, dir := range []string{"nova/lock", "glance/images", "glance/tasks", "glance/staging", "keystone"} {
		if err := os.MkdirAll(filepath.Join(s.Dir, dir), 0o700); err != nil {
			return err
		}
	}
	all, err := template.ParseFS(templates, "conf/*.conf")
	if err != nil {
		return err
	}
	for _, t := range all.Templates() {
		var text strings.Builder
		if err := t.Execute(&text, s); err != nil {
			return err
		}
		if err := os.WriteFile(s.conf(t.Name()), []byte(text.String()), 0o600); err != nil {
			return err
		}
	}
	paste := "glance-api-paste.ini" // glance wants it beside its own
	if err := os.Symlink(filepath.Join(s.Debs, "usr", "share", "glance-common", paste), s.conf(paste)); err != nil {
		return err
	}
	for host := range computes {
		text := fmt.Sprintf("[DEFAULT]\nhost = %s\n", host)
		if err := os.WriteFile(s.conf(host+".conf"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// conf is the path of a configuration file.
func (s settings) conf(name string) string { return filepath.Join(s.Dir, name) }

// script is the path of a program of the unpacked packages.
func (s settings) script(name string) string { return filepath.Join(s.Debs, "usr", "bin", name) }
