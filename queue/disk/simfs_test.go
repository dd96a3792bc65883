package disk

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// simFS is a file system in memory that can lose power: what was synced stays, of the rest any sectors and the first
// few changes of names do.
type simFS struct {
	mu    sync.Mutex
	rnd   *rand.Rand
	names map[string]*simData // as programs see them
	kept  map[string]*simData // as they are after a power cut
	todo  []func(map[string]*simData)
	limit int64 // of all bytes; 0: none

	dead      atomic.Bool // the power is gone: nothing works
	syncs     atomic.Int64
	cutAfter  int64 // syncs; 0: never
	failSync  atomic.Bool
	stalled   atomic.Pointer[stall] // a disk that does not answer
	failWrite atomic.Bool           // with ENOSPC, half done
	lieAbout  atomic.Bool           // free space
	space     atomic.Int64          // free; 0: plenty
}

// stall has syncs wait.
type stall struct {
	reached chan struct{} // one is told when a sync waits
	over    chan struct{} // closed when it may go on
}

const sector = 512

type simData struct {
	mu    sync.Mutex
	now   []byte
	disk  []byte
	dirty map[int64]struct{}
}

func newSimFS(seed uint64) *simFS {
	return &simFS{rnd: rand.New(rand.NewPCG(seed, 1)), names: map[string]*simData{}, kept: map[string]*simData{}}
}

var errPower = errors.New("the power is gone")

// cut returns the file system as it is found when the power is back.
func (s *simFS) cut() *simFS {
	s.dead.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, do := range s.todo[:s.rnd.IntN(len(s.todo)+1)] {
		do(s.kept)
	}
	next := newSimFS(s.rnd.Uint64())
	done := map[*simData]*simData{}
	for name, d := range s.kept {
		if done[d] == nil {
			done[d] = d.afterCut(s.rnd)
		}
		next.names[name], next.kept[name] = done[d], done[d]
	}
	return next
}

func (d *simData) afterCut(rnd *rand.Rand) *simData {
	d.mu.Lock()
	defer d.mu.Unlock()
	// A file that grew without a sync may have any of the two lengths.
	data := append([]byte(nil), d.disk...)
	if len(d.now) > len(data) && rnd.IntN(2) == 0 {
		data = append(data, make([]byte, len(d.now)-len(data))...)
	}
	share := rnd.IntN(3)
	for n := range d.dirty {
		from, to := n*sector, min((n+1)*sector, int64(len(d.now)), int64(len(data)))
		if from < to && (share == 2 || share == 1 && rnd.IntN(2) == 0) {
			copy(data[from:to], d.now[from:to])
		}
	}
	return &simData{now: append([]byte(nil), data...), disk: data, dirty: map[int64]struct{}{}}
}

func (s *simFS) total() (n int64) {
	for _, d := range s.names {
		d.mu.Lock()
		n += int64(len(d.now))
		d.mu.Unlock()
	}
	return n
}

func (s *simFS) change(do func(map[string]*simData)) {
	do(s.names)
	s.todo = append(s.todo, do)
}

func (s *simFS) Open(name string) (storeFile, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead.Load() {
		return nil, errPower
	}
	d := s.names[name]
	if d == nil {
		return nil, fmt.Errorf("open %s: %w", name, os.ErrNotExist)
	}
	return &simFile{s, d}, nil
}

func (s *simFS) Create(name string, size int64) (storeFile, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead.Load() {
		return nil, errPower
	}
	if s.names[name] != nil {
		return nil, os.ErrExist
	}
	if s.limit > 0 && s.total()+size > s.limit {
		return nil, unix.ENOSPC
	}
	d := &simData{now: make([]byte, size), dirty: map[int64]struct{}{}}
	s.change(func(m map[string]*simData) { m[name] = d })
	return &simFile{s, d}, nil
}

func (s *simFS) Link(source *os.File, name string) error {
	data, err := os.ReadFile(source.Name())
	if err != nil {
		return err
	}
	f, err := s.Create(name, int64(len(data)))
	if err != nil {
		return err
	}
	return f.WriteVec([][]byte{data}, 0)
}

func (s *simFS) Rename(from, to string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead.Load() {
		return errPower
	}
	d := s.names[from]
	if d == nil {
		return os.ErrNotExist
	}
	s.change(func(m map[string]*simData) { m[to] = d; delete(m, from) })
	return nil
}

func (s *simFS) Remove(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead.Load() {
		return errPower
	}
	if s.names[name] == nil {
		return os.ErrNotExist
	}
	s.change(func(m map[string]*simData) { delete(m, name) })
	return nil
}

func (s *simFS) List(dir string) (list []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.names {
		if path.Dir(name) == dir {
			list = append(list, path.Base(name))
		}
	}
	return list, nil
}

func (s *simFS) Mkdir(string) error { return nil }

func (s *simFS) SyncDir(string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead.Load() {
		return errPower
	}
	for _, do := range s.todo {
		do(s.kept)
	}
	s.todo = nil
	return nil
}

func (s *simFS) Free() (int64, error) {
	if s.lieAbout.Load() {
		return 0, nil
	}
	return cmp.Or(s.space.Load(), 1<<40), nil
}

type simFile struct {
	s *simFS
	d *simData
}

func (f *simFile) ReadAt(p []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if off >= int64(len(f.d.now)) {
		return 0, io.EOF
	}
	n := copy(p, f.d.now[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *simFile) WriteVec(pieces [][]byte, off int64) error {
	for i, p := range pieces {
		if f.s.dead.Load() {
			return errPower
		}
		if f.s.failWrite.Load() && i >= len(pieces)/2 {
			return unix.ENOSPC
		}
		f.d.write(p, off)
		off += int64(len(p))
	}
	return nil
}

func (d *simData) write(p []byte, off int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if grow := off + int64(len(p)) - int64(len(d.now)); grow > 0 {
		d.now = append(d.now, make([]byte, grow)...)
	}
	copy(d.now[off:], p)
	for n := off / sector; n*sector < off+int64(len(p)); n++ {
		d.dirty[n] = struct{}{}
	}
}

func (f *simFile) Sync() error {
	if s := f.s.stalled.Load(); s != nil {
		s.reached <- struct{}{}
		<-s.over
	}
	if n := f.s.syncs.Add(1); f.s.cutAfter > 0 && n >= f.s.cutAfter {
		f.s.dead.Store(true)
	}
	if f.s.dead.Load() {
		return errPower
	}
	if f.s.failSync.Load() {
		return unix.EIO
	}
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if len(f.d.disk) != len(f.d.now) {
		f.d.disk = append([]byte(nil), f.d.now...)
	}
	for n := range f.d.dirty {
		from, to := n*sector, min((n+1)*sector, int64(len(f.d.now)))
		copy(f.d.disk[from:to], f.d.now[from:to])
	}
	clear(f.d.dirty)
	return nil
}

func (f *simFile) Size() (int64, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return int64(len(f.d.now)), nil
}

func (f *simFile) Forget()      {}
func (f *simFile) Close() error { return nil }
