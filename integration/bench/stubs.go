package main

import "context"

func benchInProcess(context.Context, *rig) error { return nil }
func benchDecode(*rig) error                     { return nil }
func benchMemory(context.Context, *rig) error    { return nil }
