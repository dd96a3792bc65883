package mta

import (
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"

	"github.com/sluicemail/sluice/config"
)

// Load reads the configuration of a server as mtad does, and looks at all that could keep one from starting. See
// config.Load for the results.
func Load(args, environ []string) (*config.Config, *config.Report, error) {
	src := Sources(args, environ)
	if s, _ := config.ParseArgs(args); !s.ListIPs && !s.ListCluster && !s.NotifyCluster && !s.RepairDatabase &&
		!s.PurgeDatabase {
		src.Check = checkStart
	}
	return config.Load(src)
}

// Sources are those of mtad, for a program that uses its configuration and starts no server. Without a configuration
// file everything is kept under the user's state directory.
func Sources(args, environ []string) config.Sources {
	defaults := config.LoopbackDefaults()
	defaults["queue-address"] = "disk://" + filepath.Join(stateDir(), "queue")
	defaults["database-address"] = "sqlite://" + filepath.Join(stateDir(), "settings.db")
	return config.Sources{Args: args, Environ: environ, NoFile: defaults, Supported: supported, Check: check}
}

// stateDir is where files are kept when no configuration says otherwise.
func stateDir() string {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "mtad")
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "state", "mtad")
	}
	return filepath.Join(os.TempDir(), "mtad-"+strconv.Itoa(os.Getuid()))
}

// Version is that of the program, or "(devel)".
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// misconfigured is an error that a change of the configuration mends.
type misconfigured struct{ error }

func (m misconfigured) Unwrap() error { return m.error }

// Misconfigured reports whether Open failed because of what the configuration says.
func Misconfigured(err error) bool {
	var m misconfigured
	return errors.As(err, &m)
}
