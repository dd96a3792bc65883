package mta

import (
	"strings"

	"github.com/sluicemail/sluice/config"
)

// pending lists what this version understands but does nothing with yet: keys, or groups of keys that end in a star.
var pending = []string{
	"dsn-notify", "dsn-ret", "bounce-*", "double-bounce-to", "rabbitmq-dsn",
	"proxy-server", "download-*",
	"webhook-*", "spool-*",
	"smtp-threads",
}

// supported reports whether a key does something.
func supported(key string) bool {
	for _, p := range pending {
		if prefix, group := strings.CutSuffix(p, "*"); key == p || group && strings.HasPrefix(key, prefix) {
			return false
		}
	}
	return true
}

// unavailable returns the switch that asks for something that this version cannot do, or "".
func unavailable(s config.Switches) string {
	for _, c := range []struct {
		name string
		set  bool
	}{
		{"mail on standard input", s.Sendmail()},
	} {
		if c.set {
			return c.name
		}
	}
	return ""
}
