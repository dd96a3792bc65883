// Package webhook tries the web hooks of mtad with web servers that behave and misbehave, and measures what they cost.
package webhook
