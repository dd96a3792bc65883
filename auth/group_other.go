//go:build !linux

package auth

import (
	"context"
	"os/exec"
)

// prepareGroup does nothing: process groups are known on Linux alone.
func prepareGroup(cmd *exec.Cmd) {}

// waitGroup waits until a program has ended, and kills it when ctx ends first, which it reports. Its children live on.
func waitGroup(ctx context.Context, cmd *exec.Cmd) (late bool, err error) {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return false, err
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		return true, <-ended
	}
}
