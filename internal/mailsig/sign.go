package mailsig

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Draft is a DKIM signature that is yet to be made.
type Draft struct {
	Domain, Selector string // d= and s=, as they are to be written
	Key              crypto.Signer
	Header, Body     Form
	// Fields are the names for h=. A name that occurs more often than the mail has fields of it keeps others from being
	// added (RFC 6376 §8.15).
	Fields  []string
	Time    time.Time // t=
	Expires time.Time // x=; zero: never
	Report  bool      // r=y: failures are to be reported (RFC 6651 §3.2)
}

// Set is an ARC set that is yet to be made.
type Set struct {
	// Draft says how the message signature is made, DKIM-Signatures among its fields: those that are made with the set
	// count. The seal is made with the same key.
	Draft    *Draft
	Instance int
	Chain    string   // cv=: none, pass or fail
	Results  []byte   // the field ARC-Authentication-Results, with the same instance
	Before   []ARCSet // what the seal covers beside its own set; none of a chain that failed (RFC 8617 §5.1.2)
}

// Sign makes a DKIM-Signature field of each draft, in their order, and above them the three fields of a set, unless
// that is nil. All end in CRLF. The body is read once for all. A *Problem says that a key cannot sign, of kind Away
// that it could not now; other errors are those of reading.
func (m *Message) Sign(ctx context.Context, set *Set, drafts ...*Draft) ([]byte, error) {
	all := drafts
	if set != nil {
		all = append(slices.Clip(drafts), set.Draft)
	}
	made, err := m.begin(ctx, all)
	if err != nil {
		return nil, err
	}
	fields := make([][]byte, len(drafts))
	for i, d := range drafts {
		if fields[i], err = m.sign("DKIM-Signature: v=1; ", d, made[i]); err != nil {
			return nil, err
		}
	}
	signatures := bytes.Join(fields, nil)
	if set == nil {
		return signatures, nil
	}
	m.header.prepend(fields)
	sealed, err := m.seal(set, made[len(drafts)])
	return append(sealed, signatures...), err
}

// begin hashes the body for drafts.
func (m *Message) begin(ctx context.Context, drafts []*Draft) ([]*Signature, error) {
	made := make([]*Signature, len(drafts))
	for i, d := range drafts {
		made[i] = &Signature{Header: d.Header, Body: d.Body, Length: -1, Fields: d.Fields}
	}
	return made, m.HashBody(ctx, made...)
}

// sign makes a field, which begins with a text, of a draft whose body is hashed.
func (m *Message) sign(begin string, d *Draft, s *Signature) ([]byte, error) {
	algorithm, err := algorithmOf(d.Key)
	if err != nil {
		return nil, &Problem{Kind: BadKey, Text: "cannot sign", Err: err}
	}
	s.Raw = d.field(begin, algorithm, s.body.final[:])
	return d.finish(s, algorithm, func() []byte { return m.signed(s) })
}

// finish ends a field that lacks nothing but its value, which is made of a hash.
func (d *Draft) finish(s *Signature, algorithm string, hashed func() []byte) ([]byte, error) {
	s.valueStart, s.valueEnd = len(s.Raw), len(s.Raw)
	value, err := sum(d.Key, algorithm, hashed())
	if err != nil {
		return nil, &Problem{Kind: Away, Text: d.Selector + "._domainkey." + d.Domain + " cannot sign", Err: err}
	}
	return appendValue(s.Raw, base64.StdEncoding.EncodeToString(value)), nil
}

// seal makes the fields of a set, the seal topmost (RFC 8617 §5.1).
func (m *Message) seal(set *Set, message *Signature) ([]byte, error) {
	d, instance := set.Draft, "i="+strconv.Itoa(set.Instance)+"; "
	signature, err := m.sign("ARC-Message-Signature: "+instance, d, message)
	if err != nil {
		return nil, err
	}
	algorithm, err := algorithmOf(d.Key)
	if err != nil {
		return nil, &Problem{Kind: BadKey, Text: "cannot sign", Err: err}
	}
	s := &Signature{Raw: d.sealField(instance, algorithm, set.Chain)}
	seal, err := d.finish(s, algorithm, func() []byte { return s.sealed(Covered(set.Before, set.Results, signature)) })
	return slices.Concat(seal, signature, set.Results), err
}

// algorithmOf goes by the public half: the private one may be anywhere.
func algorithmOf(key crypto.Signer) (string, error) {
	switch pub := key.Public().(type) {
	case *rsa.PublicKey:
		return "rsa-sha256", nil
	case ed25519.PublicKey:
		return "ed25519-sha256", nil
	default:
		return "", fmt.Errorf("a %T is no key for it", pub)
	}
}

// sum signs a hash. Ed25519 takes it for the text that is to be signed (RFC 8463 §3).
func sum(key crypto.Signer, algorithm string, hashed []byte) ([]byte, error) {
	hash := crypto.SHA256
	if algorithm == "ed25519-sha256" {
		hash = 0
	}
	return key.Sign(rand.Reader, hashed, hash)
}

// lineLength is where fields are folded.
const lineLength = 76

// field writes everything up to the value of b=.
func (d *Draft) field(begin, algorithm string, hash []byte) []byte {
	b := make([]byte, 0, 512+16*len(d.Fields))
	b = append(b, begin...)
	b = append(b, "a="...)
	b = append(b, algorithm...)
	b = append(b, "; c="...)
	b = append(b, d.Header.String()...)
	b = append(b, '/')
	b = append(b, d.Body.String()...)
	b = append(b, ";\r\n d="...)
	b = append(b, d.Domain...)
	b = append(b, ";\r\n s="...)
	b = append(b, d.Selector...)
	b = append(b, ";\r\n t="...)
	b = strconv.AppendInt(b, d.Time.Unix(), 10)
	if !d.Expires.IsZero() {
		b = append(b, "; x="...)
		b = strconv.AppendInt(b, d.Expires.Unix(), 10)
	}
	if d.Report {
		b = append(b, "; r=y"...)
	}
	b = append(b, ";\r\n h="...)
	b = appendNames(b, d.Fields)
	b = append(b, ";\r\n bh="...)
	b = base64.StdEncoding.AppendEncode(b, hash)
	return append(b, ";\r\n b="...)
}

// sealField writes everything of a seal up to the value of b=.
func (d *Draft) sealField(instance, algorithm, chain string) []byte {
	return fmt.Appendf(nil, "ARC-Seal: %sa=%s; cv=%s;\r\n d=%s;\r\n s=%s;\r\n t=%d;\r\n b=", instance, algorithm, chain,
		d.Domain, d.Selector, d.Time.Unix())
}

// appendNames writes the value of h=, folded in front of names.
func appendNames(b []byte, names []string) []byte {
	line := len(" h=")
	for i, name := range names {
		if i > 0 {
			b = append(b, ':')
			line++
		}
		if i > 0 && line+len(name) > lineLength-1 {
			b = append(b, "\r\n  "...)
			line = 2
		}
		b = append(b, name...)
		line += len(name)
	}
	return b
}

// appendValue writes the value of b=, folded, and ends the field.
func appendValue(b []byte, value string) []byte {
	room := lineLength - len(" b=")
	for len(value) > room {
		b = append(b, value[:room]...)
		b = append(b, "\r\n  "...)
		value, room = value[room:], lineLength-2
	}
	b = append(b, value...)
	return append(b, '\r', '\n')
}

// Matches reports whether the key is the public half that pub is: an *rsa.PublicKey or an ed25519.PublicKey.
func (k *Key) Matches(pub crypto.PublicKey) bool {
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		return k.rsa != nil && k.rsa.public.Equal(pub)
	case ed25519.PublicKey:
		return k.ed25519 != nil && k.ed25519.Equal(pub)
	}
	return false
}
