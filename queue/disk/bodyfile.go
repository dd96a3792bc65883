package disk

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/sluicemail/sluice/queue"
)

// bodyDir holds mails that are too large for the log, one file each, named by a random number in hexadecimal.
const bodyDir = "mails"

type bodyFile struct {
	id   uint64
	size int64
}

func bodyFileName(id uint64) string { return fmt.Sprintf("%s/%016x", bodyDir, id) }

func parseBodyFileName(name string) (uint64, bool) {
	id, err := strconv.ParseUint(name, 16, 64)
	return id, err == nil && len(name) == 16
}

// addBodyFile stores a large mail: it adopts the file that already holds it, or writes one. When it returns, the file
// and its name are durable.
func (q *Queue) addBodyFile(nb *groupBody, b queue.Body) error {
	if err := q.reserveBytes(nb.size); err != nil {
		return err
	}
	nb.place = inFile
	nb.id = rand.Uint64() | 1<<63 // apart from the ids of records
	if err := q.storeBodyFile(nb, b); err != nil {
		q.removeBodyFile(nb.id, nb.size)
		if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
			return fmt.Errorf("%w: %w", queue.ErrFull, err)
		}
		return fmt.Errorf("queue: store a mail of %d bytes: %w", nb.size, err)
	}
	return nil
}

func (q *Queue) storeBodyFile(nb *groupBody, b queue.Body) error {
	if crc, ok := q.adopt(nb, b); ok {
		nb.crc = crc
		return q.fs.SyncDir(bodyDir)
	}
	f, err := q.fs.Create(bodyFileName(nb.id), 0)
	if err != nil {
		return err
	}
	defer f.Close()
	buf := make([]byte, loadWhole)
	for off := int64(0); off < nb.size; {
		p := buf[:min(nb.size-off, loadWhole)]
		if n, err := b.ReadAt(p, off); n < len(p) {
			return fmt.Errorf("read the mail at byte %d of %d: %w", off+int64(n), nb.size, err)
		}
		nb.crc = crcUpdate(nb.crc, p)
		if err := f.WriteVec([][]byte{p}, off); err != nil {
			return err
		}
		off += int64(len(p))
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return q.fs.SyncDir(bodyDir)
}

// adopt links the file of a body into the store. It reports false when that cannot be done: no file, another file
// system, or a file that is not exactly the mail.
func (q *Queue) adopt(nb *groupBody, b queue.Body) (crc uint32, ok bool) {
	d, isFile := b.(onDisk)
	if !isFile {
		return 0, false
	}
	source := d.File()
	if source == nil || q.fs.Link(source, bodyFileName(nb.id)) != nil {
		return 0, false
	}
	f, err := q.fs.Open(bodyFileName(nb.id))
	if err == nil {
		defer f.Close()
		size, sizeErr := f.Size()
		crc, err = sumRange(f, 0, nb.size, make([]byte, loadWhole))
		if err == nil && sizeErr == nil && size == nb.size && f.Sync() == nil {
			return crc, true
		}
	}
	_ = q.fs.Remove(bodyFileName(nb.id))
	return 0, false
}

// sumRange returns the checksum of size bytes from off on, reading through buf.
func sumRange(r io.ReaderAt, off, size int64, buf []byte) (crc uint32, err error) {
	for size > 0 {
		p := buf[:min(size, int64(len(buf)))]
		if n, err := r.ReadAt(p, off); n < len(p) {
			if err == nil {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
		crc = crcUpdate(crc, p)
		off += int64(len(p))
		size -= int64(len(p))
	}
	return crc, nil
}

// removeBodyFile deletes a file that no record names any more.
func (q *Queue) removeBodyFile(id uint64, size int64) {
	err := q.fs.Remove(bodyFileName(id))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		q.log.Warn("cannot remove a mail that is no longer needed; the next start will", "file", bodyFileName(id), "error",
			err)
	}
	q.mu.Lock()
	q.bodyBytes -= size
	q.mu.Unlock()
}

// reserveBytes counts a new file against the limits of the store.
func (q *Queue) reserveBytes(size int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.checkSpace(size); err != nil {
		return err
	}
	q.bodyBytes += size
	return nil
}
