// Package house holds the house plan: which room may import which. Its test checks every package against it.
package house

import "strings"

// Module is the path that all packages begin with.
const Module = "github.com/sluicemail/sluice"

// rooms lists, longest prefix first where they nest, what each room may import beside its own parent, everything under
// internal/, and what is not ours.
var rooms = []struct {
	room string
	may  []string
}{
	{"dev", []string{"examples", "mta", "auth", "checks", "config", "console", "delivery", "feedback", "monitor", "preflight",
		"doctor", "queue", "smtpin", "throttle", "dev"}},
	{"examples", []string{"mta", "auth", "checks", "config", "console", "delivery", "feedback", "monitor", "preflight", "doctor",
		"queue", "smtpin", "throttle"}},
	{"mta", []string{"auth", "checks", "config", "console", "delivery", "feedback", "monitor", "preflight", "doctor",
		"queue", "smtpin", "throttle"}},
	{"console/admin", []string{"config/settings", "config/snapshot", "feedback", "monitor", "doctor", "preflight", "queue"}},
	{"console/api", []string{"console/admin", "config/settings", "feedback", "monitor", "doctor", "preflight", "queue"}},
	{"console/ctl", []string{"console/admin", "config/settings", "doctor", "preflight"}},
	{"console/frame", []string{"auth"}},
	{"console/mailview", []string{"console/frame", "queue"}},
	{"console/sheets", []string{"console/frame", "console/admin", "config/settings", "config/snapshot", "queue"}},
	{"console/messages", []string{"console/frame", "console/admin", "console/mailview", "config/settings",
		"config/snapshot", "monitor", "queue"}},
	{"console/live", []string{"console/frame", "console/admin", "console/messages", "config/settings", "config/snapshot",
		"monitor", "queue"}},
	{"console/smtpmonitor", []string{"console/frame", "console/mailview", "monitor", "queue"}},
	{"console/logs", []string{"console/frame", "console/admin", "console/messages", "console/mailview", "monitor", "queue"}},
	{"console/tls", []string{"console/frame", "console/admin", "console/mailview", "feedback"}},
	{"console/feedback", []string{"console/frame", "console/admin", "console/messages", "console/mailview", "feedback"}},
	{"console/services", []string{"console/frame", "console/admin", "console/mailview", "doctor", "preflight"}},
	{"console", []string{"console/frame", "console/live", "console/messages", "console/smtpmonitor", "console/logs",
		"console/feedback", "console/tls", "console/services", "console/sheets", "console/mailview", "console/admin", "console/api", "auth", "config/snapshot",
		"monitor", "queue"}},
	{"config/snapshot", []string{"config/settings", "delivery/external", "delivery/mx", "delivery/rules", "delivery/sign",
		"queue",
		"throttle", "smtpin/enqueue"}},
	{"config/settings", nil},
	{"config", nil},
	{"delivery/mx", []string{"delivery", "delivery/maildir", "delivery/resolver"}},
	{"delivery/lmtp", []string{"delivery", "delivery/smtpout", "queue"}},
	{"delivery/probe", []string{"delivery", "queue"}},
	{"delivery/tlspolicy", []string{"delivery", "delivery/mx", "delivery/resolver", "delivery/tlsreport", "queue"}},
	{"delivery/tlsreport", []string{"delivery", "delivery/resolver", "queue"}},
	{"delivery/external", []string{"delivery", "delivery/smtpout", "queue"}},
	{"delivery/dsn", []string{"queue"}},
	{"delivery/receivers", []string{"queue"}},
	{"delivery/internal/settling", []string{"delivery/internal/alarm", "delivery/internal/extract", "delivery/internal/locks",
		"queue"}},
	{"delivery/internal/aside", []string{"delivery/internal/locks", "queue"}},
	{"delivery/internal", []string{"queue"}},
	{"delivery/render/fetch", []string{"queue"}},
	{"delivery/render/template", nil},
	{"delivery/render/part", nil},
	{"delivery/render/inline", nil},
	{"delivery/render/blocks", []string{"delivery/render/fetch"}},
	{"delivery/render/object", []string{"delivery/render/blocks", "delivery/render/fetch"}},
	{"delivery/render", []string{"delivery/render/template", "delivery/render/part", "delivery/render/inline",
		"delivery/render/object", "delivery/render/fetch", "delivery/edit", "queue"}},
	{"smtpin/spool", []string{"smtpin/enqueue", "queue"}},
	{"delivery", []string{"delivery/internal", "delivery/receivers", "queue", "throttle", "monitor"}},
	{"smtpin/enqueue", []string{"smtpin", "auth", "queue", "monitor", "checks"}},
	{"smtpin", []string{"smtpin/internal", "auth", "checks", "monitor"}},
	{"auth", []string{"auth/crypt"}}, // its drivers share the hashes
	{"feedback/verp", nil},
	{"feedback", []string{"feedback/verp", "checks", "monitor", "queue"}},
	{"preflight", []string{"checks"}},
	{"doctor", []string{"checks", "preflight", "delivery/tlspolicy"}},
	{"checks", nil},
	{"throttle/redis", []string{"throttle", "throttle/local"}}, // shares what local counts
	{"throttle", nil},
	{"queue", nil},
	{"monitor/webhook", []string{"queue"}},
	{"monitor/traces", []string{"monitor", "queue"}},
	{"monitor", nil},
}

// internals may import rooms although they stand in the basement: they are parts of tests.
var internals = map[string]bool{
	"internal/testserver":  true,
	"internal/rabbittest":  true,
	"internal/consoletest": true,
}

// Allowed reports whether one package of the module may import another; both are given relative to it.
func Allowed(from, to string) bool {
	if under(from, "internal") {
		return internals[from] || under(to, "internal")
	}
	if under(to, "internal") {
		return true
	}
	for _, r := range rooms {
		if !under(from, r.room) {
			continue
		}
		return sameRoom(from, to, r.room) || among(to, r.may)
	}
	return false
}

// sameRoom reports whether a driver imports the room it belongs to, or an examiner of it. A room does not import what
// is beneath it unless the table says so, and drivers leave each other alone.
func sameRoom(from, to, room string) bool {
	return under(to, room) && (under(from, to) || strings.HasSuffix(to, "test"))
}

func among(to string, may []string) bool {
	for _, room := range may {
		if under(to, room) {
			return true
		}
	}
	return false
}

// under reports whether a package is the given one or below it.
func under(pkg, parent string) bool {
	return pkg == parent || strings.HasPrefix(pkg, parent+"/")
}
