package doctor

import (
	"fmt"
	"os"
)

// checkConfiguration passes on what the configuration and the settings say of themselves.
func checkConfiguration(r *round) {
	for _, a := range r.Advice {
		if a.Mild {
			r.note("config", a.Where, a.Text, "see docs/configuration.md")
		} else {
			r.warn("config", a.Where, a.Text, "change it; docs/configuration.md has every key")
		}
	}
	for _, name := range r.Files {
		if info, err := os.Stat(name); err == nil && info.Mode().Perm()&0o004 != 0 {
			r.warn("file-readable", name, fmt.Sprintf("every user of the machine can read its secrets (mode %04o)",
				info.Mode().Perm()),
				"chmod o-r "+name)
		}
	}
	if r.Settings != nil {
		r.fail("settings-away", "settings database", r.Settings.Error(), "see that the database of database-address runs")
	}
	for _, row := range r.Broken {
		r.warn("settings-broken", "settings database", "a row makes no sense and is left out: "+row,
			"correct it in the console")
	}
}
