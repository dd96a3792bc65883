package mta

import "strings"

// pending lists what this version understands but does nothing with yet: keys, or groups of keys that end in a star.
var pending = []string{
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
