package queue

import (
	"encoding/binary"
	"encoding/json"
	"strconv"
	"time"
)

// DecodeBinary reads what [AppendBinary] wrote. The message does not refer to data, which may be used again at once;
// all its strings share one copy of it. Fields that this version does not know are skipped. The memory it takes is
// bounded by a multiple of len(data). On bad input it returns a *DamageError that says where.
func DecodeBinary(data []byte) (*Message, error) {
	if len(data) == 0 {
		return nil, &DamageError{Reason: "the record of the message is empty"}
	}
	if data[0] != binaryVersion {
		return nil, &DamageError{Reason: "the record of the message has layout " + strconv.Itoa(int(data[0])) +
			", expected " + strconv.Itoa(binaryVersion)}
	}
	// One allocation for the message and the connection that nearly every message has.
	v := new(struct {
		message    Message
		connection Connection
		damage     damage
	})
	r := binaryReader{data: string(data), pos: 1, damage: &v.damage}
	readMessage(&r, &v.message, &v.connection)
	if r.damage.reason != "" {
		return nil, &DamageError{Reason: "the record of the message " + r.damage.reason +
			" at byte " + strconv.Itoa(r.damage.offset)}
	}
	return &v.message, nil
}

// binaryReader walks the fields of one structure.
type binaryReader struct {
	data string
	pos  int
	base int // offset of data in the whole record
	*damage

	// The current field.
	number  uint64
	kind    uint64
	integer int64  // of kindVarint
	text    string // of kindBytes
}

// damage is the first thing that was wrong; nested readers share it.
type damage struct {
	reason string
	offset int
}

func (r *binaryReader) fail(reason string) {
	if r.damage.reason == "" {
		r.damage.reason, r.damage.offset = reason, r.base+r.pos
	}
}

// next steps to the next field; false at the end and after damage.
func (r *binaryReader) next() bool {
	if r.pos == len(r.data) || r.damage.reason != "" {
		return false
	}
	key, ok := r.uvarint()
	if !ok {
		return false
	}
	r.number, r.kind, r.integer, r.text = key>>1, key&1, 0, ""
	n, ok := r.uvarint()
	if !ok {
		return false
	}
	if r.kind == kindVarint {
		r.integer = int64(n>>1) ^ -int64(n&1) // as binary.Varint
		return true
	}
	if n > uint64(len(r.data)-r.pos) {
		r.fail("has a field that is longer than itself")
		return false
	}
	r.text = r.data[r.pos : r.pos+int(n)]
	r.pos += int(n)
	return true
}

func (r *binaryReader) uvarint() (uint64, bool) {
	var n uint64
	for i := 0; i < binary.MaxVarintLen64 && r.pos+i < len(r.data); i++ {
		b := r.data[r.pos+i]
		if i == binary.MaxVarintLen64-1 && b > 1 {
			break // more than 64 bits
		}
		n |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			r.pos += i + 1
			return n, true
		}
	}
	r.fail("ends within a number, or has one that is too large")
	return 0, false
}

// nested returns a reader for the current field.
func (r *binaryReader) nested() *binaryReader {
	return &binaryReader{data: r.text, base: r.base + r.pos - len(r.text), damage: r.damage}
}

func (r *binaryReader) string() string       { return r.text }
func (r *binaryReader) bool() bool           { return r.integer != 0 }
func (r *binaryReader) int() int             { return int(r.integer) }
func (r *binaryReader) raw() json.RawMessage { return json.RawMessage(r.text) }

func (r *binaryReader) time() time.Time {
	if r.integer < minUnix || r.integer > maxUnix {
		r.fail("has a time that is out of range")
		return time.Time{}
	}
	return time.Unix(r.integer, 0).UTC()
}

// extra adds the current field to a map.
func (r *binaryReader) extra(to *map[string]json.RawMessage) {
	var name string
	var value json.RawMessage
	for n := r.nested(); n.next(); {
		switch n.number {
		case 1:
			name = n.string()
		case 2:
			value = n.raw()
		}
	}
	if *to == nil {
		*to = make(map[string]json.RawMessage)
	}
	(*to)[name] = value
}

// readNested reads the current field into a new T.
func readNested[T any](r *binaryReader, read func(*binaryReader, *T)) *T {
	v := new(T)
	read(r.nested(), v)
	return v
}

// appendNested reads the current field into a new element of list.
func appendNested[T any](r *binaryReader, list []T, read func(*binaryReader, *T)) []T {
	var zero T
	list = append(list, zero)
	read(r.nested(), &list[len(list)-1])
	return list
}

func readMessage(r *binaryReader, m *Message, connection *Connection) {
	for r.next() {
		switch r.number {
		case binEnvelope:
			m.Envelope = r.string()
		case binRecipient:
			m.Recipient = r.string()
		case binID:
			m.ID = r.string()
		case binReceived:
			m.Received = r.time()
		case binHostname:
			m.Hostname = r.string()
		case binConnection:
			m.Connection = connection
			readConnection(r.nested(), connection)
		case binNextAttempt:
			m.NextAttempt = r.time()
		case binResults:
			m.Results = appendNested(r, m.Results, readResult)
		case binTags:
			m.Tags = append(m.Tags, r.string())
		case binIPs:
			m.IPs = append(m.IPs, r.string())
		case binNoIPs:
			m.IPs = []string{}
		case binPool:
			m.Pool = r.string()
		default:
			readOptions(r, m)
		}
	}
}

// readOptions reads a field of those that tell how to send.
func readOptions(r *binaryReader, m *Message) {
	switch r.number {
	case binKey:
		m.Key = r.string()
	case binKeepMIME:
		m.KeepMIME = r.bool()
	case binMaxDeliverTime:
		m.MaxDeliverTime = r.time()
	case binMaxAttempts:
		m.MaxAttempts = r.int()
	case binRetries:
		m.Retries = append(m.Retries, r.seconds())
	case binForce:
		m.Force = r.bool()
	case binInlineCSS:
		m.InlineCSS = r.bool()
	case binPriority:
		m.Priority = r.int()
	case binSecurity:
		m.Security = Security(r.string())
	case binRequireTLS:
		m.RequireTLS = r.bool()
	case binTLSOptional:
		m.TLSOptional = r.bool()
	default:
		readRare(r, m)
	}
}

// seconds returns the current integer as a duration.
func (r *binaryReader) seconds() time.Duration {
	const most = int64(1<<63-1) / int64(time.Second)
	if r.integer < -most || r.integer > most {
		r.fail("has a duration that is out of range")
		return 0
	}
	return time.Duration(r.integer) * time.Second
}

func readRare(r *binaryReader, m *Message) {
	switch r.number {
	case binDKIM:
		m.DKIM = appendNested(r, m.DKIM, readDKIM)
	case binHoldUntil:
		m.HoldUntil = r.time()
	case binDeliverBy:
		m.DeliverBy = readNested(r, readDeliverBy)
	case binDSN:
		m.DSN = readNested(r, readDSN)
	case binQueues:
		m.Queues = readNested(r, readQueues)
	case binSmarthost:
		m.Smarthost = readNested(r, readSmarthost)
	case binHeaders:
		m.Headers = readNested(r, readHeaders)
	case binSpool:
		m.Spool = readNested(r, readSpool)
	case binCLI:
		m.CLI = readNested(r, readCLI)
	case binHTTP:
		m.HTTP = readNested(r, readHTTP)
	case binChecks:
		m.Checks = append(m.Checks, r.raw())
	case binCompose:
		m.Compose = r.raw()
	case binData:
		m.Data = r.raw()
	case binUnsubscribe:
		m.Unsubscribe = r.raw()
	case binExtracted:
		m.Extracted = r.raw()
	case binExtra:
		r.extra(&m.Extra)
	case binForms:
		r.extra(&m.forms)
	}
}
