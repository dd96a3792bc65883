package mtatest

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
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
	args := []string{"build", "-o", program}
	if RaceDetector {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args,
		"github.com/sluicemail/sluice/examples/mtad")...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building mtad: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}
