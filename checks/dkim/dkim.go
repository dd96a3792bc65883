package dkim

import (
	"context"
	"crypto/rsa"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/internal/mailsig"
)

// Resolver looks keys up. net.Resolver is one; errors are *net.DNSError, whose IsNotFound tells "no key" from "could
// not ask".
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// Checker is the check "dkim". Its zero value works. It is used by pointer and safe for concurrent use; its fields
// must not change then.
type Checker struct {
	Resolver      Resolver // nil: net.DefaultResolver
	MaxSignatures int      // how many are verified, from the top; 0: 10
	MaxKeyBits    int      // the largest RSA key; larger ones are refused unread; 0: 4096
	// let signatures pass that leave out the end of the body (l=); anybody can put text there
	AcceptPartial bool
	Skew          time.Duration    // by how much the signer's clock may differ; 0: 10 minutes
	Now           func() time.Time // nil: time.Now
	// OpenRSA makes what verifies with a key that comes again: it tells whether a signature of a SHA-256 digest holds,
	// by PKCS #1 v1.5. What it makes is called concurrently. Where it is nil or fails, crypto/rsa verifies.
	OpenRSA func(key *rsa.PublicKey) (verify func(digest, signature []byte) bool, err error)

	known mailsig.KeyCache
}

var _ checks.Checker = (*Checker)(nil)

// Name returns "dkim".
func (c *Checker) Name() string { return "dkim" }

// signature is one on its way through the check.
type signature struct {
	*mailsig.Signature
	key *mailsig.Key
	err error
}

// Check verifies the signatures of a mail. An error says that the mail could not be read.
func (c *Checker) Check(ctx context.Context, mail *checks.Mail) ([]checks.Result, error) {
	if mail.Body == nil {
		return nil, errors.New("dkim: there is no mail to check")
	}
	message := mailsig.NewMessage(mail.Header, mail.Body, mail.Body.Size())
	fields := message.Fields("dkim-signature")
	if len(fields) == 0 {
		return []checks.Result{none()}, nil
	}
	most := c.MaxSignatures
	if most == 0 {
		most = 10
	}
	more := max(0, len(fields)-most)
	signatures := c.parse(fields[:len(fields)-more])
	c.fetch(ctx, signatures)
	if err := message.HashBody(ctx, standing(signatures)...); err != nil {
		if ctx.Err() == nil {
			return nil, err
		}
		expire(signatures, err)
	}
	results := make([]checks.Result, 0, len(signatures)+1)
	for i := range signatures {
		s := &signatures[i]
		if s.err == nil {
			s.err = message.Verify(s.Signature, s.key)
		}
		results = append(results, c.result(s))
	}
	if more > 0 {
		results = append(results, ignored(more))
	}
	return results, nil
}

// parse reads the fields, and judges what needs no key.
func (c *Checker) parse(fields [][]byte) []signature {
	now, skew := time.Now, c.Skew
	if c.Now != nil {
		now = c.Now
	}
	if skew == 0 {
		skew = 10 * time.Minute
	}
	signatures := make([]signature, len(fields))
	for i, raw := range fields {
		s := &signatures[i]
		if s.Signature, s.err = mailsig.ParseSignature(raw, mailsig.DKIM); s.err == nil {
			s.err = s.Times(now(), skew)
		}
	}
	return signatures
}

// fetch gets the keys of the signatures that stand, at once, each name once.
func (c *Checker) fetch(ctx context.Context, signatures []signature) {
	keys := mailsig.Keys{Resolver: bound(c.Resolver), MaxBits: c.MaxKeyBits, Cache: &c.known, OpenRSA: c.OpenRSA}
	leaders := map[string]int{} // by name, the signature whose key is asked for
	follows := make([]int, len(signatures))
	for i := range signatures {
		follows[i] = i
		if s := &signatures[i]; s.err == nil {
			name := s.Selector + "._domainkey." + s.Domain
			if leader, ok := leaders[name]; ok {
				follows[i] = leader
			} else {
				leaders[name] = i
			}
		}
	}
	var asking sync.WaitGroup
	for _, i := range leaders {
		s := &signatures[i]
		ask := func() { s.key, s.err = keys.Fetch(ctx, s.Domain, s.Selector) }
		if len(leaders) == 1 {
			ask()
		} else {
			asking.Go(ask)
		}
	}
	asking.Wait()
	for i, leader := range follows {
		if leader != i {
			signatures[i].key, signatures[i].err = signatures[leader].key, signatures[leader].err
		}
	}
}

// standing returns the signatures that need the body.
func standing(signatures []signature) []*mailsig.Signature {
	list := make([]*mailsig.Signature, 0, len(signatures))
	for i := range signatures {
		if signatures[i].err == nil {
			list = append(list, signatures[i].Signature)
		}
	}
	return list
}

// expire ends what still stands: the time for the check is over.
func expire(signatures []signature, err error) {
	for i := range signatures {
		if signatures[i].err == nil {
			signatures[i].err = &mailsig.Problem{Kind: mailsig.DNS, Text: "out of time", Err: err}
		}
	}
}

// verdict puts what is wrong with a signature into the words of RFC 8601 §2.7.1.
func verdict(err error) checks.Verdict {
	var p *mailsig.Problem
	if err == nil {
		return checks.Pass
	}
	if !errors.As(err, &p) {
		return checks.TempError
	}
	switch p.Kind {
	case mailsig.Syntax:
		return checks.Neutral
	case mailsig.Refused, mailsig.Partial:
		return checks.Policy
	case mailsig.Scope, mailsig.NoKey, mailsig.BadKey:
		return checks.PermError
	case mailsig.DNS:
		return checks.TempError
	}
	return checks.Fail
}

// ignored stands for the signatures beyond the limit.
func ignored(n int) checks.Result {
	reason := strconv.Itoa(n) + " more signatures were not looked at"
	return render(checks.Policy, reason, nil, nil)
}

// bound makes each look-up count against the budget of the mail.
func bound(r Resolver) Resolver {
	if full, ok := r.(checks.Resolver); ok || r == nil {
		return checks.Bound(full)
	}
	return r
}
