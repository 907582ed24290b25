package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == "app" {
		if err := runGoApp(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if err := demo(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo is the whole story; the variables ONCE and ZIPKIN are the Makefile's.
func demo() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s, err := newStage()
	if err != nil {
		return err
	}
	defer s.strike()
	if err := s.build(ctx, os.Getenv("ZIPKIN") != ""); err != nil {
		return err
	}
	if err := s.tell(); err != nil {
		return err
	}
	if os.Getenv("ONCE") != "" {
		fmt.Println("\nHTTP and RPC spans are in one trace: the demo works.")
		return nil
	}
	s.showAround()
	<-ctx.Done()
	fmt.Println("\nending everything …")
	return nil
}
