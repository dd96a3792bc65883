// Package rest has tests only: a real mtad is steered over its REST API and by mtad ctl, and what comes of it is
// observed at sinks.
package rest
