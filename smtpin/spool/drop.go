package spool

import (
	"bufio"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// A Drop is a file on its way into a spool directory, under a name that nobody picks up. It ends with Commit or Abort.
type Drop struct {
	*bufio.Writer
	file *os.File
	dir  string
	name string
}

// NewDrop makes a file for an envelope, behind which the mail is to be written.
func NewDrop(dir string, e *Envelope) (*Drop, error) {
	line, err := e.Append(nil)
	if err != nil {
		return nil, err
	}
	name := rand.Text()
	// The group may read it: in a directory with the set-group-id bit that is the server's.
	f, err := os.OpenFile(filepath.Join(dir, "."+name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return nil, err
	}
	d := &Drop{Writer: bufio.NewWriterSize(f, 64<<10), file: f, dir: dir, name: name}
	err = f.Chmod(0o640) // whatever the umask
	if err == nil {
		_, err = d.Write(line)
	}
	if err != nil {
		d.Abort()
		return nil, err
	}
	return d, nil
}

// Commit makes the file durable and has it picked up, under the name that it returns.
func (d *Drop) Commit() (name string, err error) {
	err = d.Flush()
	if err == nil {
		err = d.file.Sync()
	}
	if err != nil {
		d.Abort()
		return "", err
	}
	if err := os.Rename(d.file.Name(), filepath.Join(d.dir, d.name)); err != nil {
		d.Abort()
		return "", err
	}
	err = syncDir(d.dir)
	if errors.Is(err, fs.ErrPermission) {
		// Who may put files there, but not list them, cannot open the directory. With the file, ext4, XFS and Btrfs make
		// its name durable.
		err = d.file.Sync()
	}
	return d.name, errors.Join(err, d.file.Close())
}

// Abort removes the file.
func (d *Drop) Abort() {
	_ = d.file.Close()
	_ = os.Remove(d.file.Name())
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
