package caddymodule

import (
	"slices"
	"sync"
)

// running knows the configurations between Start and Stop, newest last. On a reload there are two for a
// moment; if the new one fails to start, the old one goes on and is the last again.
var running runningApps

type runningApps struct {
	mu   sync.Mutex
	apps []*App
}

func (r *runningApps) add(a *App) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.apps = append(r.apps, a)
}

func (r *runningApps) remove(a *App) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.apps = slices.DeleteFunc(r.apps, func(other *App) bool { return other == a })
}

// newest returns nil if no configuration with calltap runs.
func (r *runningApps) newest() *App {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.apps) == 0 {
		return nil
	}
	return r.apps[len(r.apps)-1]
}
