// Package spanbuilder turns what was seen into spans.
package spanbuilder
