// Package programs builds programs of the repository, each with the modules that its own go.mod names.
package programs

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Build builds commands, such as examples/mtad, into a directory. flags are for go build.
func Build(ctx context.Context, dir string, flags []string, commands ...string) error {
	gomod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return err
	}
	root := filepath.Dir(filepath.Dir(strings.TrimSpace(string(gomod)))) // the caller stands in the module below it
	for _, command := range commands {
		build := exec.CommandContext(ctx, "go",
			slices.Concat([]string{"build", "-o", filepath.Join(dir, filepath.Base(command))}, flags)...)
		build.Dir = filepath.Join(root, command)
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", command, err, out)
		}
	}
	return nil
}
