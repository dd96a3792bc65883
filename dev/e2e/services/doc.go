// Package services has tests only: parts of a real mtad are stopped and resumed over REST, as the console does it, and
// what comes of it is observed at its port and at a sink.
package services
