// Package services has the pages of what the server consists of: its own parts, which can be stopped and resumed, what
// it depends on, and the other instances of its cluster.
package services
