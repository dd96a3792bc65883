// Package steering has tests only: an operator changes rows of the settings database while mail flows through a real
// mtad, and what comes of it is observed at sinks.
package steering
