package disk

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	chunkBits = 12
	chunkLen  = 1 << chunkBits
)

// slab is a table of pointer-free values that lies outside the garbage-collected heap, so that a million waiting
// messages neither cost scanning time nor make the collector hold twice their size. Index 0 is never used.
type slab[T any] struct {
	chunks []*[chunkLen]T
	inUse  []uint32 // values in use, by chunk
	idle   []bool   // chunks whose memory was given back
	free   []uint32
	used   int
}

func (s *slab[T]) at(i uint32) *T { return &s.chunks[i>>chunkBits][i&(chunkLen-1)] }

// valid reports whether i can be looked at.
func (s *slab[T]) valid(i uint32) bool { return i != 0 && int(i>>chunkBits) < len(s.chunks) }

// alloc returns the index of a zero value.
func (s *slab[T]) alloc() uint32 {
	if len(s.free) == 0 {
		s.grow()
	}
	i := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	s.inUse[i>>chunkBits]++
	s.idle[i>>chunkBits] = false
	s.used++
	return i
}

// release gives an index back and clears its value.
func (s *slab[T]) release(i uint32) {
	var zero T
	*s.at(i) = zero
	s.inUse[i>>chunkBits]--
	s.used--
	s.free = append(s.free, i)
}

func (s *slab[T]) grow() {
	base := uint32(len(s.chunks)) << chunkBits
	s.chunks = append(s.chunks, s.newChunk())
	s.inUse = append(s.inUse, 0)
	s.idle = append(s.idle, true)
	for i := base + chunkLen - 1; i > base; i-- {
		s.free = append(s.free, i)
	}
	if base > 0 {
		s.free = append(s.free, base)
	}
}

// newChunk maps memory; it is unmapped once nothing refers to the slab any more, never earlier, so that a straggler
// after Close reads zeros at worst.
func (s *slab[T]) newChunk() *[chunkLen]T {
	size := int(unsafe.Sizeof([chunkLen]T{}))
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return new([chunkLen]T)
	}
	runtime.AddCleanup(s, func(mem []byte) { _ = unix.Munmap(mem) }, mem)
	return (*[chunkLen]T)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// trim gives the memory of empty chunks back to the system. They stay usable.
func (s *slab[T]) trim() {
	for i, n := range s.inUse {
		if n > 0 || s.idle[i] {
			continue
		}
		s.idle[i] = true
		mem := unsafe.Slice((*byte)(unsafe.Pointer(s.chunks[i])), int(unsafe.Sizeof(*s.chunks[i])))
		_ = unix.Madvise(mem, unix.MADV_DONTNEED) // heap chunks that are not page aligned are refused, harmlessly
	}
}

// interner keeps strings once and counts their users. Number 0 is the empty string.
type interner struct {
	ids  map[string]uint32
	strs []string
	refs []uint32
	free []uint32
}

func newInterner() interner {
	return interner{ids: map[string]uint32{}, strs: []string{""}, refs: []uint32{0}}
}

func (t *interner) get(i uint32) string { return t.strs[i] }

func (t *interner) acquire(s string) uint32 {
	if s == "" {
		return 0
	}
	if i, ok := t.ids[s]; ok {
		t.refs[i]++
		return i
	}
	s = string(append([]byte(nil), s...)) // not a part of something larger
	var i uint32
	if n := len(t.free); n > 0 {
		i, t.free = t.free[n-1], t.free[:n-1]
		t.strs[i], t.refs[i] = s, 1
	} else {
		i = uint32(len(t.strs))
		t.strs, t.refs = append(t.strs, s), append(t.refs, 1)
	}
	t.ids[s] = i
	return i
}

func (t *interner) release(i uint32) {
	if i == 0 {
		return
	}
	if t.refs[i]--; t.refs[i] == 0 {
		delete(t.ids, t.strs[i])
		t.strs[i] = ""
		t.free = append(t.free, i)
	}
}
