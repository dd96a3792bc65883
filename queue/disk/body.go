package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/sluicemail/sluice/queue"
)

// inMemory is a body that says where its bytes lie; onDisk one that is a file.
type inMemory interface{ Bytes() []byte }
type onDisk interface{ File() *os.File }

// addBody finds or adds the mail b in the group and returns its number there.
func (q *Queue) addBody(g *group, b queue.Body) (int, error) {
	if s, ok := b.(storedBody); ok {
		if n, ok := q.shareBody(g, s.stored()); ok {
			return n, nil
		}
	}
	var data []byte
	if m, ok := b.(inMemory); ok {
		data = m.Bytes()
	}
	identity := identify(b, data)
	if n, ok := g.find(identity); ok {
		return n, nil
	}
	nb := groupBody{identity: identity, size: b.Size()}
	if nb.size < 0 {
		return 0, fmt.Errorf("queue: a mail of %d bytes", nb.size)
	}
	if nb.size >= q.opts.FileSize {
		err := q.addBodyFile(&nb, b)
		if err != nil {
			return 0, err
		}
		return g.add(nb), nil
	}
	if data == nil {
		data = make([]byte, nb.size)
		if n, err := b.ReadAt(data, 0); n < len(data) {
			return 0, fmt.Errorf("queue: read the mail to store: %w", err)
		}
	}
	nb.size = int64(len(data))
	nb.place, nb.id, nb.crc, nb.data = inLog, q.nextID.Add(1), checksum(data), data
	nb.record = g.addBodyRecord(nb.id, data, nb.crc)
	return g.add(nb), nil
}

// manyBodies is the number from which on they are found by a map.
const manyBodies = 8

func (g *group) add(b groupBody) int {
	n := len(g.bodies)
	g.bodies = append(g.bodies, b)
	if g.known != nil {
		g.known[b.identity] = n
	} else if len(g.bodies) > manyBodies {
		g.known = make(map[bodyIdentity]int, 2*manyBodies)
		for i := range g.bodies {
			g.known[g.bodies[i].identity] = i
		}
	}
	return n
}

func (g *group) find(id bodyIdentity) (int, bool) {
	if g.known != nil {
		n, ok := g.known[id]
		return n, ok
	}
	for i := range g.bodies {
		if g.bodies[i].identity == id {
			return i, true
		}
	}
	return 0, false
}

// storedBody is a body that lies in a queue already.
type storedBody interface{ stored() *mail }

// mail is the handle on a stored mail that a consumer gets.
type mail struct {
	q     *Queue
	index uint32
	id    uint64
	size  int64

	mu      sync.Mutex
	data    []byte
	checked bool
	err     error
}

func (m *mail) stored() *mail { return m }

// Is reports whether b is the same mail in the store, as that of another message of one Publish is.
func (m *mail) Is(b queue.Body) bool {
	other, ok := b.(interface{ stored() *mail })
	return ok && other.stored().q == m.q && other.stored().index == m.index && other.stored().id == m.id
}

// Size returns the length in bytes.
func (m *mail) Size() int64 { return m.size }

// loadWhole is the size up to which a mail is read at once, and kept until it is settled.
const loadWhole = 64 << 10

// ReadAt implements io.ReaderAt. The first call verifies the checksum of the whole mail; a mail that does not match it
// is a *queue.DamageError.
func (m *mail) ReadAt(p []byte, off int64) (int, error) {
	data, err := m.load()
	if err != nil {
		return 0, err
	}
	if data != nil {
		return queue.Bytes(data).ReadAt(p, off)
	}
	if off < 0 {
		return 0, errors.New("queue: negative offset")
	}
	if off >= m.size {
		return 0, io.EOF
	}
	short := int64(len(p)) > m.size-off
	if short {
		p = p[:m.size-off]
	}
	n, err := m.q.readBody(m.index, m.id, p, off)
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

// load returns the bytes when they are small enough to keep, and verifies the others.
func (m *mail) load() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.data != nil || m.checked || m.err != nil {
		return m.data, m.err
	}
	data, err := m.q.verifyBody(m.index, m.id, m.size)
	var damage *queue.DamageError
	if errors.As(err, &damage) {
		m.err = err
	}
	m.data, m.checked = data, err == nil
	return data, err
}

// memoryMail is a mail that is still in memory.
type memoryMail struct{ mail }

// Bytes returns the mail, which must not be changed.
func (m *memoryMail) Bytes() []byte { return m.data }

// shareBody makes g use a mail that is stored already, unless it is gone. One that is damaged is shared too: a message
// that goes back to its queue is told of the damage when it is handed out the next time.
func (q *Queue) shareBody(g *group, m *mail) (int, bool) {
	if m.q != q {
		return 0, false
	}
	identity := bodyIdentity{uintptr(m.index), 0}
	if n, ok := g.find(identity); ok {
		return n, true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.body(m.index, m.id)
	if b == nil {
		return 0, false
	}
	b.refs++
	return g.add(groupBody{identity: identity, index: m.index, id: m.id, size: b.size, crc: b.crc, place: b.place}), true
}

// body returns what is known of a mail, nil when it is gone. q.mu is held.
func (q *Queue) body(i uint32, id uint64) *bodyEntry {
	if !q.x.bodies.valid(i) {
		return nil
	}
	if b := q.x.bodies.at(i); b.id == id && b.refs > 0 {
		return b
	}
	return nil
}

// dropRef gives up one use of a mail and forgets it after the last. q.mu is held.
func (q *Queue) dropRef(i uint32) {
	b := q.x.bodies.at(i)
	if b.refs--; b.refs > 0 {
		return
	}
	q.cache.drop(b.hot)
	if b.place == inFile {
		q.unlink = append(q.unlink, bodyFile{b.id, b.size})
		q.kickKeeper()
	} else {
		q.unlive(q.segs.get(b.seg), b.recordBytes())
	}
	q.x.bodies.release(i)
}

// errGone is returned for a mail that was settled meanwhile.
var errGone = fmt.Errorf("%w: its mail was settled", queue.ErrNotFound)

// source is where a mail is read from; done must be called after the last read.
type source struct {
	io.ReaderAt
	off  int64
	crc  uint32
	done func()
}

// openBody finds a mail and keeps its place from being reused until done.
func (q *Queue) openBody(i uint32, id uint64) (source, error) {
	q.mu.Lock()
	if q.filesClosed {
		q.mu.Unlock()
		return source{}, queue.ErrClosed
	}
	b := q.body(i, id)
	if b == nil {
		q.mu.Unlock()
		return source{}, errGone
	}
	if b.flags&bodyDamaged != 0 {
		q.mu.Unlock()
		return source{}, errDamagedMail
	}
	place, crc, off := b.place, b.crc, int64(b.off)
	if place == inFile {
		q.mu.Unlock()
		f, err := q.fs.Open(bodyFileName(id))
		if err != nil {
			return source{}, q.lostFile(i, id, err)
		}
		return source{f, 0, crc, func() { f.Close() }}, nil
	}
	s := q.segs.get(b.seg)
	s.readers++
	q.mu.Unlock()
	return source{s.file, off + headerSize, crc, func() { q.unpin(s) }}, nil
}

func (q *Queue) unpin(s *segment) {
	q.mu.Lock()
	s.readers--
	if s.readers == 0 && s.sealed && s.live == 0 {
		q.kickKeeper()
	}
	q.mu.Unlock()
}

var errDamagedMail = &queue.DamageError{Reason: "its checksum does not match"}

// lostFile tells a file that is missing from one that cannot be opened just now.
func (q *Queue) lostFile(i uint32, id uint64, err error) error {
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	q.markDamaged(i, id)
	return &queue.DamageError{Reason: "its file is missing"}
}

// readBody reads a part of a mail.
func (q *Queue) readBody(i uint32, id uint64, p []byte, off int64) (int, error) {
	src, err := q.openBody(i, id)
	if err != nil {
		return 0, err
	}
	defer src.done()
	n, err := src.ReadAt(p, src.off+off)
	if n == len(p) {
		err = nil
	}
	return n, err
}

// verifyBody reads a mail through and compares its checksum. A small one is returned.
func (q *Queue) verifyBody(i uint32, id uint64, size int64) ([]byte, error) {
	src, err := q.openBody(i, id)
	if err != nil {
		return nil, err
	}
	defer src.done()
	buf := make([]byte, min(size, loadWhole))
	crc, err := sumRange(src, src.off, size, buf)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read stored mail: %w", err)
	}
	if err != nil || crc != src.crc {
		q.markDamaged(i, id)
		return nil, errDamagedMail
	}
	q.mu.Lock()
	if b := q.body(i, id); b != nil {
		b.flags |= bodyChecked
	}
	q.mu.Unlock()
	if size > loadWhole {
		return nil, nil
	}
	return buf, nil
}

// markDamaged remembers that a mail is lost, so that each message that shares it is told when it is handed out.
func (q *Queue) markDamaged(i uint32, id uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.body(i, id)
	if b == nil || b.flags&bodyDamaged != 0 {
		return
	}
	b.flags |= bodyDamaged
	q.cache.drop(b.hot)
	b.hot = 0
	q.damage.Mails++
	place := bodyFileName(id)
	if b.place == inLog {
		place = fmt.Sprintf("%s at %d", segmentName(b.seg), b.off)
		if err := q.salvage(q.segs.get(b.seg), int64(b.off), int64(b.off)+b.recordBytes()); err != nil {
			q.log.Warn("cannot copy a damaged mail aside", "error", err)
		}
	}
	q.damage.note(q.log, fmt.Sprintf("a mail of %d bytes for %d recipients is damaged: %s", b.size, b.refs, place))
}
