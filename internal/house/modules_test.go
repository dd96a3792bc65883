package house

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// modules returns the directories of the repository that have a go.mod, relative to its root.
func modules(t *testing.T) []string {
	list := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "go.mod", "*/go.mod")
	list.Dir = "../.."
	out, err := list.Output()
	require.NoError(t, err)
	var dirs []string
	for _, name := range strings.Fields(string(out)) {
		if !strings.Contains(name, "/testdata/") { // the go command looks away as well
			dirs = append(dirs, filepath.Dir(name))
		}
	}
	require.Contains(t, dirs, ".")
	require.Contains(t, dirs, "dev")
	return dirs
}

// noted is a program that writes down where it is called and how; asked for a tool, it names itself.
const noted = `#!/bin/sh
echo "$PWD: $(basename "$0") $*" >> %q
case "$*" in *"tool -n staticcheck") echo %q ;; esac
`

// TestTargetsReachEveryModule runs targets of the Makefile with programs that only write down where they are called:
// a target that is said of ./... at the root leaves out other modules in silence.
func TestTargetsReachEveryModule(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	for target, want := range map[string][]string{
		"test":  {"go build ./...", "go test -timeout 10m ./...", "go vet ./...", "staticcheck ./..."},
		"check": {"go vet ./...", "staticcheck ./..."},
		"race":  {"go test -race -timeout 20m ./..."},
	} {
		calls := runTarget(t, root, target)
		for _, module := range modules(t) {
			for _, call := range want {
				require.Contains(t, calls, filepath.Join(root, module)+": "+call, "make %s", target)
			}
		}
	}
	calls := strings.Join(runTarget(t, root, "fuzz"), "\n")
	for _, s := range sources(t) {
		if strings.Contains(s.text, "\nfunc Fuzz") && s.test() {
			require.Contains(t, calls, filepath.Join(root, filepath.Dir(s.name))+": go test . ")
		}
	}
}

// runTarget returns what a target calls, in the form of noted. Servers count as installed.
func runTarget(t *testing.T, root, target string) []string {
	bin := t.TempDir()
	log, staticcheck := filepath.Join(bin, "log"), filepath.Join(bin, "staticcheck")
	for _, name := range []string{"go", "gofmt", "staticcheck"} {
		require.NoError(t, os.WriteFile(filepath.Join(bin, name), fmt.Appendf(nil, noted, log, staticcheck), 0o755))
	}
	run := exec.Command("make", "--old-file=servers", target)
	run.Dir = root
	run.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") }),
		"PATH="+bin+":"+os.Getenv("PATH"))
	out, err := run.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return strings.Split(read(t, log), "\n")
}

// TestModulesBuild compiles every other module, tests included, with its own go.mod: what builds at the root says
// nothing of them, and a requirement that changes there must change in them too.
func TestModulesBuild(t *testing.T) {
	for _, module := range modules(t) {
		if module == "." {
			continue // this test belongs to it
		}
		vet := exec.Command("go", "vet", "./...")
		vet.Dir = filepath.Join("../..", module)
		vet.Env = append(os.Environ(), "GOWORK=off")
		out, err := vet.CombinedOutput()
		require.NoError(t, err, "in %s: go mod tidy -e, where it is the requirements\n%s", module, out)
	}
}
