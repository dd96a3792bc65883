package mailsig

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluicemail/sluice/internal/mailheader"
)

// Message is a mail whose signatures are verified. It is not safe for concurrent use.
type Message struct {
	fields []mailheader.Field
	index  map[string][]int32 // by name in lower case, from the top
	body   io.ReaderAt
	start  int64 // of the body
	size   int64 // of the mail
}

// NewMessage indexes a header. The body is what follows it in mail, which is as long as size says.
func NewMessage(header []byte, mail io.ReaderAt, size int64) *Message {
	m := &Message{index: make(map[string][]int32, 32), body: mail, start: int64(len(header)), size: size}
	scanner := mailheader.NewScanner(header)
	for f, ok := scanner.Next(); ok; f, ok = scanner.Next() {
		if len(f.Name()) == 0 {
			continue
		}
		name := strings.ToLower(string(f.Name()))
		m.index[name] = append(m.index[name], int32(len(m.fields)))
		m.fields = append(m.fields, f)
	}
	return m
}

// Fields returns the fields of a name, which must be in lower case, from the top. The bytes are the mail's own.
func (m *Message) Fields(name string) [][]byte {
	at := m.index[name]
	raws := make([][]byte, len(at))
	for i, n := range at {
		raws[i] = m.fields[n].Raw
	}
	return raws
}

// prepend puts fields on top of the header, the first one topmost.
func (m *Message) prepend(raws [][]byte) {
	for i := len(raws) - 1; i >= 0; i-- {
		scanner := mailheader.NewScanner(raws[i])
		f, _ := scanner.Next()
		name := strings.ToLower(string(f.Name()))
		m.index[name] = slices.Insert(m.index[name], 0, int32(len(m.fields)))
		m.fields = append(m.fields, f)
	}
}

// Count returns how many fields of a name there are.
func (m *Message) Count(name string) int { return len(m.index[name]) }

// chunk is how much of a body is read at once.
const chunk = 32 << 10

// chunks lends out buffers to read bodies into.
var chunks = sync.Pool{New: func() any { return new([chunk]byte) }}

// HashBody reads the body once and hashes it for all these signatures. Signatures that are nil are left out.
func (m *Message) HashBody(ctx context.Context, signatures ...*Signature) error {
	var hashes []*bodyHash
	for _, s := range signatures {
		if s == nil {
			continue
		}
		for _, h := range hashes {
			if h.form == s.Body && h.limit == s.Length {
				s.body = h
			}
		}
		if s.body == nil {
			s.body = newBodyHash(s.Body, s.Length)
			hashes = append(hashes, s.body)
		}
	}
	if len(hashes) == 0 {
		return nil
	}
	if err := m.readBody(ctx, hashes); err != nil {
		return err
	}
	for _, h := range hashes {
		h.finish()
	}
	return nil
}

func (m *Message) readBody(ctx context.Context, hashes []*bodyHash) error {
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
	case s.body == nil:
		return errors.New("mailsig: body was not hashed")
	case s.Length > s.body.total:
		return problem(Changed, "body is shorter than signed")
	case !bytes.Equal(s.body.final, s.Hash):
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
	buf := make([]byte, 0, 1024)
	taken := make(map[string]int, len(s.Fields))
	for _, name := range s.Fields {
		at := m.index[name]
		n := len(at) - 1 - taken[name]
		if n < 0 {
			continue
		}
		taken[name]++
		buf = appendField(buf[:0], m.fields[at[n]].Raw, s.Header)
		sum.Write(buf)
	}
	sum.Write(s.self(buf[:0], s.Header))
	return sum.Sum(nil)
}

// self appends the signature's own field, as it was before it was signed: the value of b= empty, no line end.
func (s *Signature) self(dst []byte, form Form) []byte {
	raw := make([]byte, 0, len(s.Raw))
	raw = append(raw, s.Raw[:s.valueStart]...)
	raw = append(raw, s.Raw[s.valueEnd:]...)
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
