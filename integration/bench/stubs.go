package main

import "context"

const bareRole = "bare"

func bareConsumer([]string) error                { return nil }
func benchInProcess(context.Context, *rig) error { return nil }
func benchRPC(context.Context, *rig) error       { return nil }
func benchMemory(context.Context, *rig) error    { return nil }
