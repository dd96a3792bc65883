package mailsig

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"sync"
	"time"
)

// Message is a mail whose signatures are verified or made. It is not safe for concurrent use.
type Message struct {
	header header
	body   io.ReaderAt
	start  int64       // of the body
	size   int64       // of the mail
	hashes []*bodyHash // each in another way; those that are not done come last
}

// NewMessage returns the mail with this header. The body is what follows the header in mail, which is as long as size
// says.
func NewMessage(head []byte, mail io.ReaderAt, size int64) *Message {
	return &Message{header: header{raw: head}, body: mail, start: int64(len(head)), size: size}
}

// Fields returns the fields of a name, in any case, from the top. The bytes are the mail's own.
func (m *Message) Fields(name string) [][]byte { return m.header.all(name) }

// Count returns how many fields of a name, in any case, there are.
func (m *Message) Count(name string) int {
	if g := m.header.find(name); g != nil {
		return int(g.count)
	}
	return 0
}

// chunk is how much of a body is read at once.
const chunk = 32 << 10

// chunks lends out buffers to read bodies into.
var chunks = sync.Pool{New: func() any { return new([chunk]byte) }}

// AppendBodyHashes appends the hashes of the body in these forms.
func (m *Message) AppendBodyHashes(ctx context.Context, dst []byte, forms ...Form) ([]byte, error) {
	for _, form := range forms {
		m.want(form, -1)
	}
	if err := m.hashBody(ctx); err != nil {
		return dst, err
	}
	for _, form := range forms {
		dst = append(dst, m.want(form, -1).final[:]...)
	}
	return dst, nil
}

// HashBody hashes the body for all these signatures. Signatures that are nil are left out.
func (m *Message) HashBody(ctx context.Context, signatures ...*Signature) error {
	for _, s := range signatures {
		if s != nil {
			s.body = m.want(s.Body, s.Length)
		}
	}
	return m.hashBody(ctx)
}

// want returns the hash that there is for a form and a length, or one that hashBody will make.
func (m *Message) want(form Form, length int64) *bodyHash {
	for _, h := range m.hashes {
		if h.form == form && h.limit == length {
			return h
		}
	}
	h := newBodyHash(form, length)
	m.hashes = append(m.hashes, h)
	return h
}

// hashBody reads the body once for all hashes that are not there yet.
func (m *Message) hashBody(ctx context.Context) error {
	done := 0
	for done < len(m.hashes) && m.hashes[done].done {
		done++
	}
	wanted := m.hashes[done:]
	if len(wanted) == 0 {
		return nil
	}
	if err := m.readBody(ctx, wanted); err != nil {
		m.hashes = m.hashes[:done]
		return err
	}
	for _, h := range wanted {
		h.finish()
	}
	return nil
}

func (m *Message) readBody(ctx context.Context, hashes []*bodyHash) error {
	if memory, ok := m.body.(interface{ Bytes() []byte }); ok {
		for _, h := range hashes {
			h.write(memory.Bytes()[m.start:m.size])
		}
		return nil
	}
	buf := chunks.Get().(*[chunk]byte)
	defer chunks.Put(buf)
	for pos := m.start; pos < m.size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := m.body.ReadAt(buf[:min(chunk, m.size-pos)], pos)
		for _, h := range hashes {
			h.write(buf[:n])
		}
		pos += int64(n)
		if pos < m.size && (err != nil || n == 0) {
			return errors.Join(errors.New("cannot read the mail"), err)
		}
	}
	return nil
}

// Times tells whether the time of a signature is over or has not come, allowing clocks to differ by skew.
func (s *Signature) Times(now time.Time, skew time.Duration) error {
	switch {
	case !s.Expires.IsZero() && now.After(s.Expires.Add(skew)):
		return problem(Expired, "signature has expired")
	case !s.Time.IsZero() && s.Time.After(now.Add(skew)):
		return problem(Expired, "signed in the future")
	}
	return nil
}

// Verify tells whether a signature holds, with its key, once HashBody was called for it. Of a signature that holds for
// a beginning of the body only, it returns a problem of kind Partial.
func (m *Message) Verify(s *Signature, key *Key) error {
	if err := s.fits(key); err != nil {
		return err
	}
	switch {
	case s.body == nil || !s.body.done:
		return errors.New("mailsig: body was not hashed")
	case s.Length > s.body.total:
		return problem(Changed, "body is shorter than signed")
	case !bytes.Equal(s.body.final[:], s.Hash):
		return problem(Changed, "body was changed")
	}
	if err := s.check(m.signed(s), key); err != nil {
		return err
	}
	if s.Length >= 0 && s.Length < s.body.total {
		return problem(Partial, "only the beginning of the body is signed")
	}
	return nil
}

// fits compares what a signature says with what its key is for.
func (s *Signature) fits(key *Key) error {
	if !key.suits(s.Algorithm) {
		return problem(BadKey, "key is not for "+s.Algorithm)
	}
	if key.Strict && s.Identity != "" {
		if domain := s.Identity[strings.LastIndexByte(s.Identity, '@')+1:]; !strings.EqualFold(domain, s.Domain) {
			return problem(BadKey, "key is not for subdomains")
		}
	}
	return nil
}

// Unsigned returns how many bytes of the canonical body lie behind the part that is signed.
func (s *Signature) Unsigned() int64 {
	if s.body == nil || s.Length < 0 {
		return 0
	}
	return max(0, s.body.total-s.Length)
}

// signed returns the hash of the fields that a signature covers. Of fields with the same name the lowest comes first;
// names without a field count as empty (RFC 6376 §5.4.2).
func (m *Message) signed(s *Signature) []byte {
	sum := sha256.New()
	buf := make([]byte, 0, 2*gathered)
	m.header.rewind()
	for _, name := range s.Fields {
		raw := m.header.take(name)
		if raw == nil {
			continue
		}
		buf = appendField(buf, raw, s.Header)
		if len(buf) >= gathered {
			sum.Write(buf)
			buf = buf[:0]
		}
	}
	sum.Write(s.self(buf, s.Header))
	return sum.Sum(nil)
}

// gathered is about how many bytes are hashed at a time.
const gathered = 1024

// self appends the signature's own field, as it was before it was signed: the value of b= empty, no line end.
func (s *Signature) self(dst []byte, form Form) []byte {
	raw := s.Raw[:s.valueStart:s.valueStart]
	if s.valueEnd < len(s.Raw) {
		raw = append(raw, s.Raw[s.valueEnd:]...)
	}
	return bytes.TrimSuffix(appendField(dst, raw, form), []byte("\r\n"))
}

// check does the arithmetic.
func (s *Signature) check(hashed []byte, key *Key) error {
	if key.ed25519 != nil {
		if ed25519.Verify(key.ed25519, hashed, s.Value) { // of the hash: RFC 8463 §3
			return nil
		}
	} else if key.rsa.verify(hashed, s.Value) {
		return nil
	}
	return problem(Changed, "signature does not fit the header")
}

// VerifySeal tells whether a seal holds over the fields of the sets up to its own, in their order: of each set the
// results, the signature and the seal (RFC 8617 §5.1.1). The last one is the seal itself, and is left out of fields.
func VerifySeal(s *Signature, fields [][]byte, key *Key) error {
	if err := s.fits(key); err != nil {
		return err
	}
	return s.check(s.sealed(fields), key)
}

// sealed returns the hash of what a seal covers.
func (s *Signature) sealed(fields [][]byte) []byte {
	sum := sha256.New()
	buf := make([]byte, 0, 1024)
	for _, raw := range fields {
		buf = appendField(buf[:0], raw, Relaxed)
		sum.Write(buf)
	}
	sum.Write(s.self(buf[:0], Relaxed))
	return sum.Sum(nil)
}
