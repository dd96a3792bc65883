package testserver

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// FerretDB starts a server that speaks MongoDB's protocol and keeps its data in SQLite, and returns its "host:port". It
// is a module of its own in testdata, which is built when it is first needed and kept in the cache of the user.
func FerretDB(t testing.TB) string {
	t.Helper()
	program := buildFerret(t)
	dir := t.TempDir()
	_, port := OnFreePort(t, func(port int) (*Process, error) {
		address := loopback(port)
		return TryStart(t, Command{Program: program, Args: []string{address, dir}, Dir: dir,
			Ready: func() error { return dialable(address) }, Within: time.Minute})
	})
	return "127.0.0.1:" + strconv.Itoa(port)
}

func buildFerret(t testing.TB) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(cache, "sluice-test", "ferret")
	if err := os.MkdirAll(filepath.Dir(program), 0o700); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = t.TempDir()
	for from, to := range map[string]string{"go.mod": "go.mod", "go.sum": "go.sum", "main.go.txt": "main.go"} {
		text, err := os.ReadFile(filepath.Join(filepath.Dir(here), "testdata", "ferret", from))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(build.Dir, to), string(text))
	}
	build.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the server for MongoDB's protocol: %v\n%s", err, out)
	}
	return program
}
