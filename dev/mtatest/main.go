package mtatest

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/sluicemail/sluice/dev/programs"
)

// program is the path of the mtad that Main has built.
var program string

// Program returns the path of the mtad that [Main] has built, for tests that start it themselves.
func Program() string { return program }

// Main runs the tests of a package with an mtad that it builds first, and calls after when they have ended. Call it in
// TestMain.
func Main(m *testing.M, after ...func()) {
	flag.Parse()
	// Most of the tests wait most of the time.
	if err := flag.Set("test.parallel", strconv.Itoa(4*runtime.GOMAXPROCS(0))); err != nil {
		panic(err)
	}
	code := buildAndRun(m)
	for _, f := range after {
		f()
	}
	os.Exit(code)
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "mtad-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "mtad")
	var flags []string
	if RaceDetector {
		flags = append(flags, "-race")
	}
	if err := programs.Build(context.Background(), dir, flags, "examples/mtad"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
