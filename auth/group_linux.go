package auth

import (
	"context"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// prepareGroup gives a program a process group of its own.
func prepareGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// waitGroup waits until a program has ended or ctx has, kills what is left of its process group, and only then reaps
// it: until then nobody else can have got the number of the group. It reports whether ctx was first.
func waitGroup(ctx context.Context, cmd *exec.Cmd) (late bool, err error) {
	pid := cmd.Process.Pid
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
			if err != unix.EINTR {
				return
			}
		}
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		late = true
	}
	_ = syscall.Kill(-pid, syscall.SIGKILL)
	<-ended
	return late, cmd.Wait()
}
