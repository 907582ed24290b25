package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"syscall"
)

// runGoApp is what the demo's binary does when it is started as one of the untraced programs:
//
//	demo app api PORT AMQP_URL | demo app conductor AMQP_URL | demo app compute AMQP_URL
//
// They do what ../apps/api.py and worker.py do, as far as the demo asks for it.
func runGoApp(args []string) error {
	name, url := args[0], args[len(args)-1]
	b, err := dial(url)
	if err != nil {
		return err
	}
	defer b.conn.Close()
	switch name {
	case "api":
		return serveAPI(b, "127.0.0.1:"+args[1])
	case "conductor":
		err = b.serve("conductor", b.conductor)
	case "compute":
		err = b.serve("compute", b.compute)
	default:
		err = fmt.Errorf("unknown app %q", name)
	}
	if err != nil {
		return err
	}
	fmt.Println("ready", name)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	return nil
}

func (b *bus) conductor(m message) (string, error) {
	if m.Method == "build_instance" {
		if _, err := b.call(m, "compute", "prepare_instance", m.Args); err != nil {
			return "", err
		}
		return "", b.cast(m, "compute", "run_instance", m.Args)
	}
	return "active", nil
}

func (b *bus) compute(m message) (string, error) {
	if m.Method == "run_instance" {
		return b.call(m, "conductor", "instance_update", m.Args)
	}
	return "active", nil
}

// requestID is the only form of X-OpenStack-Request-Id that oslo.middleware believes.
var requestID = regexp.MustCompile(`^req-[a-f0-9]{8}(-[a-f0-9]{4}){3}-[a-f0-9]{12}$`)

func serveAPI(b *bus, addr string) error {
	handle := func(work func(message, string) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			id := newID()
			cause := message{RequestID: fmt.Sprintf("req-%s-%s-%s-%s-%s", id[:8], id[8:12], id[12:16], id[16:20], id[20:])}
			if global := r.Header.Get("X-OpenStack-Request-Id"); requestID.MatchString(global) {
				cause.GlobalRequestID = global
			}
			w.Header().Set("X-OpenStack-Request-Id", cause.RequestID)
			if err := work(cause, r.PathValue("id")); err != nil {
				http.Error(w, "an RPC failed", http.StatusInternalServerError)
				return
			}
			if r.Method == http.MethodPost {
				w.WriteHeader(http.StatusAccepted)
			}
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v2.1/servers", handle(func(cause message, _ string) error {
		_, err := b.call(cause, "conductor", "build_instance", map[string]string{"instance_id": newID()})
		return err
	}))
	mux.HandleFunc("GET /v2.1/servers/{id}", handle(func(cause message, id string) error {
		_, err := b.call(cause, "compute", "get_instance", map[string]string{"instance_id": id})
		return err
	}))
	mux.HandleFunc("POST /v2.1/servers/{id}/action", handle(func(cause message, id string) error {
		return b.cast(cause, "compute", "reboot_instance", map[string]string{"instance_id": id})
	}))
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Println("ready api")
	return http.Serve(listener, http.MaxBytesHandler(mux, 1<<20))
}
