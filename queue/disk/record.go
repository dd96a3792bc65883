package disk

import (
	"encoding/binary"
	"hash/crc32"
)

// A record of the log: a header of 48 bytes, the payload, and zeros up to a multiple of 8. All numbers are little
// endian.
//
//	 0  magic
//	 4  checksum of bytes 8 to 47, seeded with the number and salt of the segment
//	 8  kind, flags, two zeros
//	12  length of the payload
//	16  id
//	24  number of the batch it was written with
//	32  checksum of the payload
//	36  offset of this header in the segment
//	40  offset at which the batch starts
//	44  zero
const (
	recordMagic = 0x51c35ec7
	headerSize  = 48
	recordAlign = 8
)

type recordKind uint8

const (
	bodyRecord    recordKind = 1 + iota // a mail; id names it
	messageRecord                       // a message; id names it
	settleRecord                        // ids of messages that are no more
	freedRecord                         // numbers of segments that were given back since the last checkpoint
	voidRecord                          // covers bytes that were skipped as torn or damaged; payload of any content
)

// Flags of a record: a group is stored as a whole or not at all.
const (
	groupStart = 1 << iota
	groupEnd
)

// castagnoli is a table of the processor, not state.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(p []byte) uint32 { return crc32.Checksum(p, castagnoli) }

func crcUpdate(crc uint32, p []byte) uint32 { return crc32.Update(crc, castagnoli, p) }

type header struct {
	kind   recordKind
	flags  uint8
	length uint32
	id     uint64
	batch  uint64
	crc    uint32
	offset uint32
	start  uint32
}

// size is what the record occupies.
func (h *header) size() int64 { return recordSize(int64(h.length)) }

func recordSize(payload int64) int64 { return align(headerSize + payload) }

func align(n int64) int64 { return (n + recordAlign - 1) &^ (recordAlign - 1) }

// putHeader fills in what is known before the record has a place.
func putHeader(p []byte, kind recordKind, id uint64, length, crc uint32) {
	clear(p[:headerSize])
	binary.LittleEndian.PutUint32(p, recordMagic)
	p[8] = byte(kind)
	binary.LittleEndian.PutUint32(p[12:], length)
	binary.LittleEndian.PutUint64(p[16:], id)
	binary.LittleEndian.PutUint32(p[32:], crc)
}

// stampHeader adds the place and seals the header.
func stampHeader(p []byte, seed uint32, flags uint8, batch uint64, offset, start uint32) {
	p[9] = flags
	binary.LittleEndian.PutUint64(p[24:], batch)
	binary.LittleEndian.PutUint32(p[36:], offset)
	binary.LittleEndian.PutUint32(p[40:], start)
	binary.LittleEndian.PutUint32(p[4:], crc32.Update(seed, castagnoli, p[8:headerSize]))
}

// parseHeader reads a header that must stand at offset.
func parseHeader(p []byte, seed uint32, offset int64) (h header, ok bool) {
	if len(p) < headerSize || binary.LittleEndian.Uint32(p) != recordMagic {
		return h, false
	}
	if binary.LittleEndian.Uint32(p[4:]) != crc32.Update(seed, castagnoli, p[8:headerSize]) {
		return h, false
	}
	h = header{
		kind:   recordKind(p[8]),
		flags:  p[9],
		length: binary.LittleEndian.Uint32(p[12:]),
		id:     binary.LittleEndian.Uint64(p[16:]),
		batch:  binary.LittleEndian.Uint64(p[24:]),
		crc:    binary.LittleEndian.Uint32(p[32:]),
		offset: binary.LittleEndian.Uint32(p[36:]),
		start:  binary.LittleEndian.Uint32(p[40:]),
	}
	return h, int64(h.offset) == offset && h.start <= h.offset
}

// A message record's payload:
//
//	byte     where the mail is: 0 nowhere, 1 in the log, 2 in a file of its own
//	varints  when the message was first stored, in nanoseconds since 1970, and first picked, in ms
//	uint64, uvarint, uint32  id, size and checksum of the mail, if any
//	uvarint, bytes  name of the queue
//	bytes    the message as queue.AppendBinary writes it
type envelope struct {
	where          bodyPlace
	stored, picked int64
	body           uint64
	size           int64
	crc            uint32
	queue          []byte
	message        []byte
}

type bodyPlace uint8

const (
	noBody bodyPlace = iota
	inLog
	inFile
)

// append adds everything but the message itself.
func (e *envelope) append(p []byte, queueName string) []byte {
	p = append(p, byte(e.where))
	p = binary.AppendVarint(p, e.stored)
	p = binary.AppendVarint(p, e.picked)
	if e.where != noBody {
		p = binary.LittleEndian.AppendUint64(p, e.body)
		p = binary.AppendUvarint(p, uint64(e.size))
		p = binary.LittleEndian.AppendUint32(p, e.crc)
	}
	p = binary.AppendUvarint(p, uint64(len(queueName)))
	return append(p, queueName...)
}

// parseEnvelope splits a payload; its slices refer to p.
func parseEnvelope(p []byte) (e envelope, ok bool) {
	r := byteReader{p: p}
	e.where = bodyPlace(r.byte())
	e.stored, e.picked = r.varint(), r.varint()
	if e.where != noBody {
		e.body = r.uint64()
		e.size = int64(r.uvarint())
		e.crc = r.uint32()
	}
	e.queue = r.bytes(r.uvarint())
	e.message = r.p
	return e, !r.bad && e.where <= inFile && e.size >= 0
}

// byteReader takes numbers off a slice and remembers when there was not enough.
type byteReader struct {
	p   []byte
	bad bool
}

func (r *byteReader) bytes(n uint64) []byte {
	if n > uint64(len(r.p)) {
		r.p, r.bad = nil, true
		return nil
	}
	b := r.p[:n]
	r.p = r.p[n:]
	return b
}

func (r *byteReader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *byteReader) uint32() uint32 {
	if b := r.bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *byteReader) uint64() uint64 {
	if b := r.bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *byteReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.p)
	if n <= 0 {
		r.p, r.bad = nil, true
		return 0
	}
	r.p = r.p[n:]
	return v
}

func (r *byteReader) varint() int64 {
	v, n := binary.Varint(r.p)
	if n <= 0 {
		r.p, r.bad = nil, true
		return 0
	}
	r.p = r.p[n:]
	return v
}
