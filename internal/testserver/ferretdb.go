package testserver

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// FerretDB starts a server that speaks MongoDB's protocol and keeps its data in SQLite, and returns its "host:port".
// scripts/install-servers.sh builds it.
func FerretDB(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(cache, "sluice-test", "ferretdb")
	Need(t, program)
	dir := t.TempDir()
	_, port := onFreePort(t, func(port int) (*Process, error) {
		address := loopback(port)
		return TryStart(t, Command{Program: program, Args: []string{address, dir}, Dir: dir,
			Ready: func() error { return dialable(address) }, Within: time.Minute})
	})
	return loopback(port)
}
