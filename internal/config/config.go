// Package config reads calltap's part of a Caddy configuration for commands that work offline. In goes
// the name of a file, out comes what the app and its handlers say. Nothing is provisioned: no sink is
// opened, no broker dialled, no placeholder replaced.
//
//	Caddyfile ──► adapter ──► JSON ──► Config: keys, link, sources, sites
package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/spf13/cobra"

	"github.com/calltap/calltap/keyrules"
)

// Config is what a configuration says about names, traces and where RPC comes from. Where spans would go, and
// how many of them, is no matter of such a command.
type Config struct {
	Keys keyrules.Config `json:"keys"`
	Link string          `json:"link"`

	// Sources are what RPC comes from, each by the name in its member "source".
	Sources []json.RawMessage `json:"sources"`

	// Sites are the handlers `calltap` of all sites, in the order of the JSON.
	Sites []Site `json:"-"`
}

// AddFlags gives cmd the flags that Read takes.
func AddFlags(cmd *cobra.Command) {
	cmd.Flags().StringP("config", "c", "", "Configuration file")
	cmd.Flags().StringP("adapter", "a", "", "Name of the adapter that reads it (default: caddyfile, if the name says so)")
}

// FromFlags reads the configuration that cmd's flags name. Without --config it returns fallback.
func FromFlags(cmd *cobra.Command, fallback Config) (Config, error) {
	file, _ := cmd.Flags().GetString("config")
	adapter, _ := cmd.Flags().GetString("adapter")
	if file == "" {
		if adapter != "" {
			return Config{}, fmt.Errorf("--adapter %s without --config", adapter)
		}
		return fallback, nil
	}
	return Read(file, adapter)
}

// Read reads a configuration file. adapter is the name of a Caddy config adapter; "" is `caddyfile` if
// the file's name says so, else none, that is JSON.
func Read(file, adapter string) (Config, error) {
	adapted, err := adapt(file, adapter)
	if err != nil {
		return Config{}, err
	}
	c, err := parse(adapted)
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// adapt reads a configuration file as Caddy's own commands do, without their log lines.
func adapt(file, adapter string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	if base := strings.ToLower(filepath.Base(file)); adapter == "" && filepath.Ext(base) != ".json" &&
		(strings.HasPrefix(base, "caddyfile") || strings.HasSuffix(base, ".caddyfile")) {
		adapter = "caddyfile"
	}
	if adapter == "" || adapter == "json" {
		return text, nil
	}
	a := caddyconfig.GetAdapter(adapter)
	if a == nil {
		return nil, fmt.Errorf("unknown configuration adapter %q", adapter)
	}
	adapted, _, err := a.Adapt(text, map[string]any{"filename": file})
	if err != nil {
		return nil, fmt.Errorf("adapting the configuration: %w", err)
	}
	return adapted, nil
}

// parse picks the app and the handlers out of a whole Caddy configuration.
func parse(text []byte) (Config, error) {
	var c struct {
		Apps struct {
			Calltap *Config `json:"calltap"`
			HTTP    any     `json:"http"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return Config{}, fmt.Errorf("reading the configuration: %w", err)
	}
	if c.Apps.Calltap == nil {
		return Config{}, errors.New("the configuration has no calltap block")
	}
	sites, err := findSites(c.Apps.HTTP)
	if err != nil {
		return Config{}, fmt.Errorf("reading the configuration: %w", err)
	}
	c.Apps.Calltap.Sites = sites
	return *c.Apps.Calltap, nil
}
