package mta

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/internal/rootfile"
)

// account is the user that the program becomes.
type account struct {
	name     string
	uid, gid int
}

// serviceAccount is the user of the configuration, nil when there is none or the program is that user already.
func serviceAccount(cfg *config.Config) (*account, error) {
	if cfg.User == "" {
		return nil, nil
	}
	u, err := user.Lookup(cfg.User)
	if err != nil {
		return nil, fmt.Errorf("user: %w", err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if os.Getuid() == uid {
		return nil, nil
	}
	return &account{cfg.User, uid, gid}, nil
}

// openFile opens a file for writing. Root, before it becomes the user, follows no link that the user may have laid.
func (u *account) openFile(path string, flag int, perm fs.FileMode) (*os.File, error) {
	if u == nil || os.Geteuid() != 0 {
		return os.OpenFile(path, flag, perm)
	}
	return rootfile.Open(path, flag, perm, u.uid)
}

// openOwnFile is openFile for a file that the user goes on with: it is his.
func (u *account) openOwnFile(path string, flag int, perm fs.FileMode) (*os.File, error) {
	f, err := u.openFile(path, flag, perm)
	if err != nil || u == nil || os.Geteuid() != 0 {
		return f, err
	}
	if err := f.Chown(u.uid, u.gid); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// become has the program go on as the user; nil: it stays who it is. What root has opened of its log is opened anew.
func (u *account) become(log *appLog) error {
	if u == nil {
		return nil
	}
	if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(u.gid), syscall.Setuid(u.uid)); err != nil {
		return fmt.Errorf("user: becoming %s: %w", u.name, err)
	}
	if err := log.reopen(); err != nil {
		log.Warn("the user that this program became cannot open its own log anew; when logrotate has moved it, lines go on to the moved file", "user", u.name, "error", err)
	}
	return nil
}
