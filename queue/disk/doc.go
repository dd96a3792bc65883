// Package disk is a durable queue in a directory of a local file system.
package disk
