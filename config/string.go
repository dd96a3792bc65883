package config

import (
	"log/slog"
	"strings"
)

// String returns the keys that differ from their default, secrets masked: "smtp-port: 2525; smtp-password: ********".
func (c *Config) String() string {
	defaults := new(Config)
	var b strings.Builder
	for _, k := range Keys() {
		if k.reset(defaults) != nil || k.text(c) == k.text(defaults) {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("; ")
		}
		b.WriteString(k.Name + ": " + k.masked(c))
	}
	return b.String()
}

// GoString is String, so that no form of printing shows secrets.
func (c *Config) GoString() string { return c.String() }

// LogValue is String for log/slog.
func (c *Config) LogValue() slog.Value { return slog.StringValue(c.String()) }
