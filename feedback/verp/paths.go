package verp

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/internal/addr"
)

// Paths makes and reads return paths. It makes none before SetKeys was called. Its fields are set before use; all
// methods are safe for concurrent use.
type Paths struct {
	// Lifetime is how long after its day a token is good for. Zero: 30 days.
	Lifetime time.Duration
	// Overlap is how old a key gets before it signs: the time that other instances need to learn of it. Zero: an hour.
	Overlap time.Duration

	keys atomic.Pointer[ring]
}

// Errors of Open.
var (
	ErrNone    = errors.New("no token")
	ErrForged  = errors.New("the token was not signed here, or its key is gone")
	ErrExpired = errors.New("the token has expired")
)

const (
	headSize      = 3 // what follows, and the day
	checkSize     = 4 // of the recipient
	tagSize       = 2
	signatureSize = 10 // 80 bits
	leastToken    = headSize + checkSize + digestSize + signatureSize
	shortest      = headSize + checkSize + 1 + signatureSize // with an id of one byte
)

const day = 24 * time.Hour

// epoch is the first day, in days since 1970.
const epoch = 18262 // 2020-01-01

// SetKeys puts keys in force in place of those before them. Keys with a secret of less than 16 bytes are left out.
func (p *Paths) SetKeys(keys []Key) {
	keys = slices.DeleteFunc(slices.Clone(keys), func(k Key) bool { return len(k.Secret) < 16 })
	slices.SortFunc(keys, func(a, b Key) int { return cmp.Or(b.Made.Compare(a.Made), cmp.Compare(b.ID, a.ID)) })
	r := make(ring, len(keys))
	for i, k := range keys {
		r[i] = newSigner(k)
	}
	p.keys.Store(&r)
}

func (p *Paths) ring() ring {
	if r := p.keys.Load(); r != nil {
		return *r
	}
	return nil
}

func (p *Paths) lifetime() time.Duration { return cmp.Or(p.Lifetime, 30*day) }

// Mail is what a return path is made for.
type Mail struct {
	ID        string // of the message
	Sender    string // its own envelope sender, whose domain templates may take over
	Recipient string
	Tag       string // the first of its tags; "": none
	// Unsubscribe makes a token for the header of the mail, which everybody sees who gets a copy of it: it counts for a
	// wish for no more mail, and for nothing else.
	Unsubscribe bool
}

// Make returns the return path of a mail and the token in it. ok is false when there is no key, no template, or no
// domain for one that takes over the sender's.
func (p *Paths) Make(t *Template, m Mail, now time.Time) (address, token string, ok bool) {
	key := p.ring().signing(now.Add(-cmp.Or(p.Overlap, time.Hour)))
	domain := t.domain
	if t.below {
		domain = addr.Domain(m.Sender)
	}
	if key == nil || domain == "" {
		return "", "", false
	}
	mac := key.mac()
	defer key.done(mac)
	data := mac.token(key.id, m, now, t.room())
	var text [maxLocal + 256]byte
	out := append(text[:0], t.prefix...)
	out = appendDigits(out, data)
	end := len(out)
	out = append(append(out, t.suffix...), '@')
	if t.below {
		out = append(out, t.domain...)
	}
	address = string(append(out, domain...))
	return address, address[len(t.prefix):end], true
}

// token returns the bytes of a token, room of them at most.
func (m *mac) token(key byte, mail Mail, now time.Time, room int) []byte {
	check := m.check(mail.Recipient)
	dst := append(m.text[:0], key)
	dst = binary.BigEndian.AppendUint16(dst, uint16(now.Unix()/86400-epoch))
	dst = append(dst, check[:]...)
	room -= len(dst) + signatureSize
	out, f := appendID(dst, mail.ID, room)
	if mail.Tag != "" && len(out)-len(dst)+tagSize <= room { // the id counts more than the tag
		out, f = appendID(binary.BigEndian.AppendUint16(dst, digestOf(mail.Tag)), mail.ID, room-tagSize)
		out[0] |= tagged
	}
	out[0] |= byte(f) << 4
	if mail.Unsubscribe {
		out[0] |= unsubscribes
	}
	return append(out, m.sign(forToken, out)[:signatureSize]...)
}

// Bits of a token: it has the digest of a tag; it is for unsubscribing.
const (
	tagged       = 1 << 3
	unsubscribes = 1 << 6
)

func digestOf(tag string) uint16 {
	h := uint32(2166136261) // FNV-1a
	for i := range len(tag) {
		h = (h ^ uint32(tag[i])) * 16777619
	}
	return uint16(h>>16 ^ h)
}

// Token is what a return path says, once its signature was found good.
type Token struct {
	Day         time.Time // on which the mail left, UTC
	Unsubscribe bool      // it was made for that alone

	key    *signer
	form   form
	id     string // or the digest of it
	check  [checkSize]byte
	tag    uint16
	tagged bool
}

// ID returns the id of the message; ok is false when it did not fit.
func (t *Token) ID() (id string, ok bool) {
	if t.form == digest {
		return "", false
	}
	return t.id, true
}

// Names reports whether the token is of the message with this id.
func (t *Token) Names(id string) bool {
	if t.form != digest {
		return t.id == id
	}
	sum := sha256.Sum256([]byte(id))
	return string(sum[:digestSize]) == t.id
}

// IsFor reports whether the mail was for a recipient.
func (t *Token) IsFor(recipient string) bool {
	m := t.key.mac()
	defer t.key.done(m)
	check := m.check(recipient)
	return subtle.ConstantTimeCompare(check[:], t.check[:]) == 1
}

// HasTag reports whether the first tag of the message was this one; false too when the tag did not fit.
func (t *Token) HasTag(tag string) bool { return t.tagged && t.tag == digestOf(tag) }

// most is how many texts that could be a token are tried in an address.
const most = 4

// maxText bounds the text in which a token is looked for.
const maxText = 512

// Open finds a token in a text, such as an address, and checks its signature. The token comes with ErrExpired, too.
func (p *Paths) Open(text string, now time.Time) (Token, error) {
	r := p.ring()
	if text = text[:min(len(text), maxText)]; len(r) == 0 {
		return Token{}, ErrNone
	}
	found := ErrNone
	for tries := 0; tries < most && text != ""; {
		n := run(text)
		if n >= digits(shortest) && n <= maxLocal {
			if t, ok := r.open(text[:n]); ok {
				return t, p.expired(&t, now)
			}
			found = ErrForged
			tries++
		}
		text = strings.TrimLeftFunc(text[n:], func(c rune) bool { return c >= 0x80 || !inAlphabet(byte(c)) })
	}
	return Token{}, found
}

// expired returns ErrExpired for a token that is not good any more, or not yet: a day is the difference of clocks.
func (p *Paths) expired(t *Token, now time.Time) error {
	if now.After(t.Day.Add(day+p.lifetime())) || now.Before(t.Day.Add(-day)) {
		return ErrExpired
	}
	return nil
}

// open reads a token with the keys that may have signed it.
func (r ring) open(text string) (Token, bool) {
	for _, s := range r {
		if s.id != byte(value(text[0])<<3|value(text[1])>>2)&keyBits {
			continue
		}
		if t, ok := s.open(text); ok {
			return t, true
		}
	}
	return Token{}, false
}

func (s *signer) open(text string) (Token, bool) {
	m := s.mac()
	defer s.done(m)
	data, ok := appendBytes(m.text[:0], text)
	if !ok || len(data) < shortest {
		return Token{}, false
	}
	end := len(data) - signatureSize
	if subtle.ConstantTimeCompare(m.sign(forToken, data[:end])[:signatureSize], data[end:]) != 1 {
		return Token{}, false
	}
	return s.read(data[:end])
}

// read reads the bytes of a token that were signed.
func (s *signer) read(data []byte) (Token, bool) {
	t := Token{key: s, form: form(data[0] &^ unsubscribes >> 4), tagged: data[0]&tagged != 0,
		Unsubscribe: data[0]&unsubscribes != 0}
	t.Day = time.Unix((int64(binary.BigEndian.Uint16(data[1:]))+epoch)*86400, 0).UTC()
	copy(t.check[:], data[headSize:])
	rest := data[headSize+checkSize:]
	if t.tagged {
		if len(rest) < tagSize {
			return Token{}, false
		}
		t.tag, rest = binary.BigEndian.Uint16(rest), rest[tagSize:]
	}
	switch t.form {
	case packed:
		id, ok := unpack(rest)
		t.id = id
		return t, ok
	case plain, digest:
		t.id = string(rest)
		return t, true
	}
	return Token{}, false
}
