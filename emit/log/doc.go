// Package log writes each span as one line of Zipkin v2 JSON to standard output, standard error or a
// file.
//
//	batch ──► a line a span, 64 KiB at a time ──► stdout | stderr | FILE (append, mode 0600)
//
// A file may be rotated under it: if FILE is renamed or removed, the next batch goes to a new FILE;
// if it is truncated, the next batch starts at its new end.
//
// # Failure behaviour
//
// A line that cannot be written (disk full, pipe closed) is dropped{write}, and the next batch tries
// again. Lines are whole unless the disk fills up in the middle of one; then the next write begins on a
// new line. A reader of standard output that stops reading blocks this emitter's goroutine, and
// nothing else: its queue fills and drops the oldest spans.
//
// Spans hold no secrets, but paths and names of the operator's users: hence the file's mode.
package log
