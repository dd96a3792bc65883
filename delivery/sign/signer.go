package sign

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sluicemail/sluice/internal/mailbody"
	"github.com/sluicemail/sluice/internal/mailsig"
	"github.com/sluicemail/sluice/internal/semaphore"
	"github.com/sluicemail/sluice/queue"
)

// Limits on what a message may ask for.
const (
	MaxHeader = 4 << 20 // bytes of the longest header that is signed
	maxOwn    = 20      // keys in the property dkim
)

// Signer signs mail. The zero Signer signs with the keys that messages bring along. It is safe for concurrent use; its
// fields must not be changed once it is used.
type Signer struct {
	Keys      func() *Keys // the settings' keys as they are now; nil, and a nil *Keys: none
	Parsed    *KeyCache    // keys of messages; nil: a cache of its own
	Published *Published   // knows the DNS; nil: keys that depend on it do not sign
	// Results returns the field ARC-Authentication-Results for a message: what was found out about it when it came in,
	// with the number of the set that the field is for. Nil: it says that nothing was.
	Results func(m *queue.Message, instance int) []byte
	// how long signatures are given to other messages with the same mail; zero: 10 minutes; negative: never
	Reuse    time.Duration
	Remember int // signatures that are remembered, of so many mails; zero: 4,096
	// Workers is how many mails are signed at a time; the others wait. Keys that are elsewhere may allow more than the
	// processors here could do. Zero: as many as there are processors.
	Workers int
	Now     func() time.Time // nil: time.Now

	signatures cache
	own        KeyCache
	begun      sync.Once
	workers    semaphore.Semaphore
}

// Sign returns a body with the signatures for m, whose mail is body as it is handed over. What it returns refers to
// body and is valid as long as that is. When nothing is to be signed it is body itself.
//
// An entry of m's property dkim that cannot be used is a *queue.PropertyError, which names the property and never shows
// the key; with m.Force it is left out instead. When a key cannot be used now, the error is a *KeyAway. A mail that
// cannot be read comes back as one that fails with the same error when it is sent. When ctx ends while another
// goroutine signs the same mail, the error is that of ctx.
func (s *Signer) Sign(ctx context.Context, m *queue.Message, body queue.Body) (queue.Body, error) {
	keys := s.keys()
	own := s.hasKeys(m)
	if body == nil || !own && keys.Len() == 0 {
		return body, nil
	}
	header, err := mailbody.Header(body, MaxHeader)
	if errors.Is(err, mailbody.ErrLong) {
		return nil, &queue.PropertyError{Property: "mime", Want: "a header of at most " + strconv.Itoa(MaxHeader) + " bytes",
			Got: "a longer one"}
	} else if err != nil {
		return &mailbody.Broken{Length: body.Size(), Err: err}, nil
	}
	version := s.Published.version() // before what it is the version of
	domain, found := authorDomain(header)
	var matching []*key
	if found {
		matching = s.usable(keys.match(domain))
	}
	if len(matching) == 0 && !own {
		return body, nil
	}
	if !found && !m.Force {
		return nil, &queue.PropertyError{Property: "mime", Want: "a From field, which DKIM has to sign",
			Got: "a mail without one"}
	} else if !found {
		return body, nil
	}
	fields, err := s.reuse(ctx, work{m, mailsig.NewMessage(header, body, body.Size()), header, matching}, keys, version)
	var unreadable *readError
	switch {
	case errors.As(err, &unreadable):
		return &mailbody.Broken{Length: body.Size(), Err: unreadable.err}, nil
	case err != nil:
		return nil, err
	case len(fields) == 0:
		return body, nil
	}
	return mailbody.Join(fields, body, 0), nil
}

// hasKeys reports whether a message brings along a key whose time is not over.
func (s *Signer) hasKeys(m *queue.Message) bool {
	if len(m.DKIM) == 0 {
		return false
	}
	now := s.now()
	return slices.ContainsFunc(m.DKIM, func(k queue.DKIM) bool { return !over(k.ExpireAt, now) })
}

func (s *Signer) parsed() *KeyCache {
	if s.Parsed == nil {
		return &s.own
	}
	return s.Parsed
}

func (s *Signer) keys() *Keys {
	if s.Keys == nil {
		return nil
	}
	return s.Keys()
}

// usable leaves out keys that the DNS is not known to have.
func (s *Signer) usable(keys []*key) []*key {
	return slices.DeleteFunc(keys, func(k *key) bool { return k.checkDNS && !s.Published.has(k) })
}

// work is a mail that is to be signed.
type work struct {
	m        *queue.Message
	mail     *mailsig.Message
	header   []byte
	matching []*key // of the settings
}

// KeyAway says that a key could not be used when it should sign: the machine or the program that has it is away.
type KeyAway struct{ problem *mailsig.Problem }

// Error names the record of the key, and says why.
func (e *KeyAway) Error() string { return "DKIM: " + e.problem.Error() }

// Unwrap returns why.
func (e *KeyAway) Unwrap() error { return e.problem }

// readError tells a mail that cannot be read from one that cannot be signed.
type readError struct{ err error }

func (e *readError) Error() string { return e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

// reuse returns the signatures of a mail, made just now or for another message with the same mail.
func (s *Signer) reuse(ctx context.Context, w work, keys *Keys, version uint64) ([]byte, error) {
	if s.Reuse < 0 {
		fields, _, err := s.make(w)
		return fields, err
	}
	content, err := w.identity(s.parsed())
	if err != nil {
		return nil, &readError{err}
	}
	e, fill := s.signatures.get(cacheKey{content, keys, version}, s.now(), cmp.Or(max(s.Remember, 0), 4096))
	if fill {
		s.fill(e, w)
	} else {
		select {
		case <-e.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return e.fields, e.err
}

// fill makes the signatures of an entry. Whatever happens, nobody waits for it afterwards.
func (s *Signer) fill(e *entry, w work) {
	defer close(e.done)
	e.err = errors.New("signing broke off")
	fields, life, err := s.make(w)
	e.fields, e.err = fields, err
	e.until = s.now().Add(life)
}

// make signs a mail and returns the fields, topmost first, and how long they may be used.
func (s *Signer) make(w work) ([]byte, time.Duration, error) {
	now := s.now()
	own, err := s.ownKeys(w.m, now)
	if err != nil {
		return nil, 0, err
	}
	all := own
	for _, k := range w.matching {
		if over(k.until, now) {
			continue
		}
		if !slices.ContainsFunc(all, func(o *key) bool { return o.selector == k.selector && o.domain == k.domain }) {
			all = append(all, k)
		}
	}
	byPriority(all)
	if len(all) == 0 {
		return nil, s.life(nil, now), nil
	}
	drafts := make([]*mailsig.Draft, 0, len(all))
	for _, k := range all {
		if k.dkim {
			drafts = append(drafts, k.draft(w.mail, now))
		}
	}
	set := s.set(&w, all, len(drafts), now)
	if len(drafts) == 0 && set == nil {
		return nil, s.life(all, now), nil
	}
	fields, err := s.work(w.mail, set, drafts)
	var problem *mailsig.Problem
	switch {
	case errors.As(err, &problem) && problem.Kind == mailsig.Away:
		return nil, 0, &KeyAway{problem}
	case problem != nil:
		return nil, 0, fmt.Errorf("DKIM: %w", err)
	case err != nil:
		return nil, 0, &readError{err}
	}
	return fields, s.life(all, now), nil
}

// work makes the fields when a worker is free. A key in a library of C takes a thread while it signs: thousands of
// connections must not take as many. What others wait for as well is not broken off by the end of one connection.
func (s *Signer) work(mail *mailsig.Message, set *mailsig.Set, drafts []*mailsig.Draft) ([]byte, error) {
	s.begun.Do(func() { s.workers = make(semaphore.Semaphore, cmp.Or(max(s.Workers, 0), runtime.GOMAXPROCS(0))) })
	if err := s.workers.Acquire(context.Background()); err != nil {
		return nil, err
	}
	defer s.workers.Release()
	return mail.Sign(context.Background(), set, drafts...)
}

func (s *Signer) life(keys []*key, now time.Time) time.Duration {
	return lifetime(keys, cmp.Or(s.Reuse, 10*time.Minute), now)
}

// ownKeys compiles the property dkim of a message. A key whose time is over is not looked at.
func (s *Signer) ownKeys(m *queue.Message, now time.Time) ([]*key, error) {
	if len(m.DKIM) > maxOwn && !m.Force {
		return nil, &queue.PropertyError{Property: "dkim", Want: "at most " + strconv.Itoa(maxOwn) + " keys",
			Got: strconv.Itoa(len(m.DKIM))}
	}
	parsed := s.parsed()
	var keys []*key
	for i := range m.DKIM[:min(len(m.DKIM), maxOwn)] {
		if over(m.DKIM[i].ExpireAt, now) {
			continue
		}
		k, bad := newKey(&m.DKIM[i], parsed)
		switch {
		case bad == nil:
			keys = append(keys, k)
		case !m.Force:
			return nil, bad.of(i, len(m.DKIM))
		}
	}
	return keys, nil
}

// of names the property in a message that has several keys or one.
func (f *fault) of(i, n int) *queue.PropertyError {
	path := "dkim."
	if n > 1 {
		path = fmt.Sprintf("dkim.%d.", i)
	}
	return &queue.PropertyError{Property: path + f.property, Want: f.want, Got: f.got}
}

// seals reports whether there is a key for ARC: a set tells of the checks.
func (w *work) seals() bool {
	return slices.ContainsFunc(w.matching, func(k *key) bool { return k.arc }) ||
		slices.ContainsFunc(w.m.DKIM, func(k queue.DKIM) bool { return slices.Contains(k.Protocols, "arc") })
}

// identity hashes what the signatures depend on: the header, the body in the forms that are signed, and the message's
// own keys. The body is not hashed again for the signatures.
func (w *work) identity(keys *KeyCache) (sum [sha256.Size]byte, err error) {
	forms := make([]mailsig.Form, 0, 2)
	add := func(form mailsig.Form) {
		if !slices.Contains(forms, form) {
			forms = append(forms, form)
		}
	}
	for _, k := range w.matching {
		add(k.body)
	}
	for i := range w.m.DKIM {
		if _, body, ok := parseForms(w.m.DKIM[i].Canonicalization); ok {
			add(body)
		}
	}
	b := appendIdentity(make([]byte, 0, 1024), w.m, keys)
	if b, err = w.mail.AppendBodyHashes(context.Background(), b, forms...); err != nil {
		return sum, err
	}
	if w.seals() {
		for _, result := range w.m.Checks {
			b = appendText(b, string(result))
		}
	}
	h := sha256.New()
	h.Write(b)
	h.Write(w.header)
	return [sha256.Size]byte(h.Sum(sum[:0])), nil
}

// appendIdentity appends everything about a message, beside its mail, that its signatures depend on.
func appendIdentity(b []byte, m *queue.Message, keys *KeyCache) []byte {
	b = appendNumber(b, int64(len(m.DKIM)))
	for i := range m.DKIM {
		k := &m.DKIM[i]
		for _, s := range [...]string{k.Domain, k.Selector, k.Canonicalization} {
			b = appendText(b, s)
		}
		sum := keys.sum(k.Key)
		b = append(b, sum[:]...)
		for _, list := range [...][]string{k.Headers, k.Protocols} {
			b = appendNumber(b, int64(len(list)))
			for _, s := range list {
				b = appendText(b, s)
			}
		}
		b = appendNumber(b, k.Expire)
		b = appendNumber(b, k.ExpireAt.Unix())
		b = appendNumber(b, int64(k.Priority))
		b = strconv.AppendBool(b, k.Report)
	}
	return strconv.AppendBool(b, m.Force)
}

func appendNumber(b []byte, n int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(n)) }

func appendText(b []byte, s string) []byte { return append(appendNumber(b, int64(len(s))), s...) }

func (s *Signer) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}
