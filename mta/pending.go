package mta

import "slices"

// pending lists the keys that this version understands but does nothing with yet.
var pending = []string{"smtp-threads"}

// supported reports whether a key does something.
func supported(key string) bool { return !slices.Contains(pending, key) }
