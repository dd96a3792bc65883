package mtatest

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sluicemail/sluice/dev/programs"
)

// program builds mtad once, for the first test that starts it.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "mtad-e2e")
	if err != nil {
		return "", err
	}
	var flags []string
	if RaceDetector {
		flags = append(flags, "-race")
	}
	return filepath.Join(dir, "mtad"), programs.Build(context.Background(), dir, flags, "examples/mtad")
})

var started atomic.Bool

// Program returns the path of mtad, which it builds first, for tests that start it themselves.
func Program() string {
	started.Store(true)
	path, err := program()
	if err != nil {
		panic(err)
	}
	return path
}

// Main runs the tests of a package, and calls after when they have ended. Call it in TestMain.
func Main(m *testing.M, after ...func()) {
	flag.Parse()
	// Most of the tests wait most of the time.
	if err := flag.Set("test.parallel", strconv.Itoa(4*runtime.GOMAXPROCS(0))); err != nil {
		panic(err)
	}
	code := m.Run()
	if started.Load() {
		os.RemoveAll(filepath.Dir(Program()))
	}
	for _, f := range after {
		f()
	}
	os.Exit(code)
}
