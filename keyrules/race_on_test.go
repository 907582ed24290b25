//go:build race

package keyrules_test

const raceEnabled = true
