package maildir

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/queue"
)

var errAddress = &refusal{code: 553, status: "5.1.7", text: "an address has characters that no address has"}

// deliver brings a mail into its Maildir and returns the name of its file.
func (c *connection) deliver(tx *delivery.Transaction) (string, error) {
	m := tx.Message
	if m == nil || tx.Body == nil {
		return "", &refusal{code: 554, status: "5.6.0", text: "there is no mail to deliver"}
	}
	if strings.ContainsFunc(returnPath(tx)+m.Recipient, isControl) {
		return "", errAddress // it would be more than a field of the header
	}
	b, refused := c.target.of(m.Recipient)
	if refused != nil {
		return "", refused
	}
	tx.Result.To = b.dir
	c.sender.tidyUp(b.dir, time.Now())
	name := c.sender.uniqueName(time.Now(), c.host)
	temporary, size, err := c.write(b, name, tx)
	name += ",S=" + strconv.FormatInt(size, 10)
	fresh := b.dir + "/new"
	if err == nil {
		err = os.Rename(temporary, fresh+"/"+name)
	}
	if err != nil {
		if temporary != "" {
			_ = os.Remove(temporary) // or it is tidied up one day
		}
		return "", err
	}
	if err := syncDir(fresh); err != nil {
		return "", err // it may be there all the same, and is delivered again
	}
	c.target.count(b, size)
	c.bytes += size
	return name, nil
}

// write brings a mail into tmp, and on the disk, if there is room for it. It returns the path of the file, once there
// is one, and its size.
func (c *connection) write(b box, name string, tx *delivery.Transaction) (temporary string, size int64, err error) {
	file, err := c.target.open(b, name)
	if err != nil {
		return "", 0, err
	}
	size, err = c.fill(file, tx)
	if err == nil {
		err = c.target.admits(b, size)
	}
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	return file.Name(), size, err
}

// open makes a file in tmp, and the Maildir where there is none yet.
func (t *Target) open(b box, name string) (*os.File, error) {
	for made := false; ; made = true {
		file, err := os.OpenFile(b.dir+"/tmp/"+name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, t.mode)
		switch {
		case err == nil && t.mode&0o077 != 0:
			err = file.Chmod(t.mode) // whatever the umask
			return file, err
		case made || !errors.Is(err, fs.ErrNotExist):
			return file, err
		}
		if err := t.make(b); err != nil {
			return nil, err
		}
	}
}

// make makes a Maildir, and what is missing in front of it. All of it is on the disk then.
func (t *Target) make(b box) error {
	if b.root != b.dir {
		if err := t.make(box{dir: b.root, root: b.root}); err != nil {
			return err
		}
	}
	if _, err := os.Stat(t.base); err != nil {
		return errNoBase
	}
	if _, err := os.Stat(b.root); !t.create && errors.Is(err, fs.ErrNotExist) {
		return errUnknown
	}
	for at := len(strings.TrimSuffix(t.base, "/")); at < len(b.dir); {
		next := strings.IndexByte(b.dir[at+1:], '/')
		if at += 1 + next; next < 0 {
			at = len(b.dir)
		}
		if err := t.mkdir(b.dir[:at]); err != nil {
			return err
		}
	}
	for _, name := range [...]string{"cur", "new", "tmp"} {
		if err := t.mkdir(b.dir + "/" + name); err != nil {
			return err
		}
	}
	if b.root != b.dir { // Maildir++ marks folders
		file, err := os.OpenFile(b.dir+"/maildirfolder", os.O_WRONLY|os.O_CREATE, t.mode)
		if err != nil {
			return err
		}
		file.Close()
	}
	return syncDir(b.dir)
}

// mkdir makes a directory that may be there already.
func (t *Target) mkdir(dir string) error {
	err := os.Mkdir(dir, t.dirMode())
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil && t.mode&0o077 != 0 {
		err = os.Chmod(dir, t.dirMode()) // whatever the umask
	}
	if err != nil {
		return err
	}
	return syncDir(path.Dir(dir))
}

// syncDir has the entries of a directory on the disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // which says that it needs none
		return err
	}
	return nil
}

// fill writes the mail, and returns how many bytes the file has.
func (c *connection) fill(file io.Writer, tx *delivery.Transaction) (int64, error) {
	w := writers.Get().(*writer)
	defer writers.Put(w)
	w.reset(file)
	put(w, "Return-Path: <")
	put(w, returnPath(tx))
	put(w, ">\nDelivered-To: ")
	put(w, tx.Message.Recipient)
	put(w, "\n")
	if b, ok := tx.Body.(interface{ Bytes() []byte }); ok {
		w.mail(b.Bytes())
	} else if err := w.copy(tx.Body); err != nil {
		return 0, err
	}
	if w.cr {
		put(w, "\r")
	}
	w.flush()
	return w.n, w.err
}

// returnPath is what MAIL FROM would say.
func returnPath(tx *delivery.Transaction) string { return cmp.Or(tx.ReturnPath, tx.Message.Envelope) }

// writer writes a mail with LF for CRLF. Its first error stays.
type writer struct {
	to   io.Writer
	buf  [64 << 10]byte
	used int
	read []byte // for bodies that are not in memory
	n    int64  // bytes written
	cr   bool   // the last byte of the mail so far was a CR, which is yet to be written
	err  error
}

// writers have no state between two mails.
var writers = sync.Pool{New: func() any { return new(writer) }}

func (w *writer) reset(to io.Writer) { w.to, w.used, w.n, w.cr, w.err = to, 0, 0, false, nil }

// put writes something as it is.
func put[T string | []byte](w *writer, s T) {
	for len(s) > 0 && w.err == nil {
		n := copy(w.buf[w.used:], s)
		if w.used, s = w.used+n, s[n:]; w.used == len(w.buf) {
			w.flush()
		}
	}
}

func (w *writer) flush() {
	if w.err == nil && w.used > 0 {
		n, err := w.to.Write(w.buf[:w.used])
		w.n, w.used, w.err = w.n+int64(n), 0, err
	}
}

// mail writes a piece of the mail.
func (w *writer) mail(p []byte) {
	if w.cr && len(p) > 0 {
		if w.cr = false; p[0] != '\n' {
			put(w, "\r")
		}
	}
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\r')
		switch {
		case i < 0:
			put(w, p)
			return
		case i == len(p)-1:
			put(w, p[:i])
			w.cr = true
			return
		case p[i+1] == '\n':
			put(w, p[:i])
		default:
			put(w, p[:i+1])
		}
		p = p[i+1:]
	}
}

// copy writes a mail that is not in memory.
func (w *writer) copy(body queue.Body) error {
	if w.read == nil {
		w.read = make([]byte, 64<<10)
	}
	for at, size := int64(0), body.Size(); at < size && w.err == nil; {
		p := w.read[:min(int64(len(w.read)), size-at)]
		n, err := body.ReadAt(p, at)
		if n < len(p) {
			return unreadable(err)
		}
		w.mail(p)
		at += int64(n)
	}
	return nil
}
