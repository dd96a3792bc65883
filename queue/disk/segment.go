package disk

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// A segment file starts with a page that holds its header twice, at 0 and at 2048; records follow from 4096 on.
//
//	 0  "sluiceq1"
//	 8  state: 1 in use, 2 spare
//	12  checksum of the other 60 bytes
//	16  number, never used twice
//	24  salt, random
//	32  number of the segment before it
//	40  where the records of that one end
//	48  an id that no earlier record reaches
//	56  the size of the file; 0 in those of earlier versions
const (
	segmentMagic = "sluiceq1"
	segmentPage  = 4096
	secondHeader = 2048
	segmentDir   = "segments"

	stateUsed  = 1
	stateSpare = 2
)

// segment is a file of the log. Its fields are protected by Queue.mu; the log's end is moved by the committer alone.
type segment struct {
	slot   uint32 // names the file
	number uint64
	salt   uint64
	seed   uint32
	prev   uint64 // number of the one before
	prevAt int64  // and where that ends
	nextID uint64
	state  uint32

	file     storeFile
	size     int64
	made     int64 // size that the file had when it was begun; 0: not known
	known    int64 // its records reach at least as far, as the saved index or the mark says; only while opening
	end      int64 // where the next record goes
	written  int64 // blocks up to here were written before: a sync need not record them
	live     int64 // bytes of records that are still needed
	readers  int   // reads under way; the file is not reused before they end
	sealed   bool  // no more records come
	sealedAt time.Time
	busy     bool // being freed or rewritten

	minID, maxID uint64   // of the messages first stored here
	settles      []uint32 // offsets of settle records, for carrying them on when this is freed
}

func segmentName(slot uint32) string { return fmt.Sprintf("%s/%06d", segmentDir, slot) }

func parseSegmentName(name string) (uint32, bool) {
	slot, err := strconv.ParseUint(strings.TrimLeft(name, "0"), 10, 31)
	return uint32(slot), err == nil && fmt.Sprintf("%06d", slot) == name
}

// begin gives the segment a new identity, under which nothing that its file holds is valid.
func (s *segment) begin(number uint64, prev *segment, nextID uint64) {
	s.number, s.salt, s.nextID, s.state = number, rand.Uint64(), nextID, stateUsed
	s.prev, s.prevAt = 0, 0
	if prev != nil {
		s.prev, s.prevAt = prev.number, prev.end
	}
	s.seed = segmentSeed(s.number, s.salt)
	s.end, s.live, s.sealed, s.busy = segmentPage, 0, false, false
	s.minID, s.maxID, s.settles = 0, 0, nil
}

func segmentSeed(number, salt uint64) uint32 {
	var p [16]byte
	binary.LittleEndian.PutUint64(p[:], number)
	binary.LittleEndian.PutUint64(p[8:], salt)
	return crc32.Checksum(p[:], castagnoli)
}

// page returns the first page of the file.
func (s *segment) page() []byte {
	p := make([]byte, segmentPage)
	copy(p, segmentMagic)
	le := binary.LittleEndian
	le.PutUint32(p[8:], s.state)
	le.PutUint64(p[16:], s.number)
	le.PutUint64(p[24:], s.salt)
	le.PutUint64(p[32:], s.prev)
	le.PutUint64(p[40:], uint64(s.prevAt))
	le.PutUint64(p[48:], s.nextID)
	le.PutUint64(p[56:], uint64(s.size))
	le.PutUint32(p[12:], headerSum(p))
	copy(p[secondHeader:], p[:64])
	return p
}

func headerSum(p []byte) uint32 {
	return crc32.Update(crc32.Checksum(p[:12], castagnoli), castagnoli, p[16:64])
}

// parsePage reads the first page from either copy of the header.
func (s *segment) parsePage(page []byte) bool {
	for _, at := range []int{0, secondHeader} {
		p := page[at : at+64]
		le := binary.LittleEndian
		if string(p[:8]) != segmentMagic || le.Uint32(p[12:]) != headerSum(p) {
			continue
		}
		s.state = le.Uint32(p[8:])
		s.number, s.salt = le.Uint64(p[16:]), le.Uint64(p[24:])
		s.prev, s.prevAt = le.Uint64(p[32:]), int64(le.Uint64(p[40:]))
		s.nextID = le.Uint64(p[48:])
		s.made = int64(le.Uint64(p[56:]))
		s.seed = segmentSeed(s.number, s.salt)
		s.end = segmentPage
		return s.state == stateUsed || s.state == stateSpare
	}
	return false
}

func (s *segment) room() int64 { return s.size - s.end }

// noteID widens the range of message ids found here.
func (s *segment) noteID(id uint64) {
	if s.minID == 0 || id < s.minID {
		s.minID = id
	}
	s.maxID = max(s.maxID, id)
}

// segmentTable finds segments by slot.
type segmentTable struct {
	slots  []*segment
	number uint64 // the highest ever used
	bytes  int64  // of all files
}

func (t *segmentTable) get(slot uint32) *segment {
	if int(slot) >= len(t.slots) {
		return nil
	}
	return t.slots[slot]
}

func (t *segmentTable) put(s *segment) {
	for int(s.slot) >= len(t.slots) {
		t.slots = append(t.slots, nil)
	}
	t.slots[s.slot] = s
	t.number = max(t.number, s.number)
	t.bytes += s.size
}

func (t *segmentTable) remove(s *segment) {
	t.slots[s.slot] = nil
	t.bytes -= s.size
}

// freeSlot returns a slot without a file. Slot 0 is not used.
func (t *segmentTable) freeSlot() uint32 {
	for i := 1; i < len(t.slots); i++ {
		if t.slots[i] == nil {
			return uint32(i)
		}
	}
	return uint32(max(1, len(t.slots)))
}
