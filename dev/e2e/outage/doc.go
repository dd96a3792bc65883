// Package outage looks at what operators still see and can do while the broker is dead, or does not answer.
package outage
