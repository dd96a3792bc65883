package arc

import (
	"context"
	"crypto/rsa"
	"errors"
	"strconv"
	"time"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/internal/mailsig"
)

// Resolver looks keys up. net.Resolver is one; errors are *net.DNSError, whose IsNotFound tells "no key" from "could
// not ask".
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// Checker is the check "arc". Its zero value works. It is used by pointer and safe for concurrent use; its fields
// must not change then.
type Checker struct {
	Resolver   Resolver         // nil: net.DefaultResolver
	MaxKeyBits int              // the largest RSA key; larger ones are refused unread; 0: 4096
	Skew       time.Duration    // by how much the signers' clocks may differ; 0: 10 minutes
	Now        func() time.Time // nil: time.Now
	// OpenRSA is that of dkim.Checker.
	OpenRSA func(key *rsa.PublicKey) (verify func(digest, signature []byte) bool, err error)

	known mailsig.KeyCache
}

var _ checks.Checker = (*Checker)(nil)

// Name returns "arc".
func (c *Checker) Name() string { return "arc" }

// Check validates the chain of a mail. An error says that the mail could not be read.
func (c *Checker) Check(ctx context.Context, mail *checks.Mail) ([]checks.Result, error) {
	if mail.Body == nil {
		return nil, errors.New("arc: there is no mail to check")
	}
	message := mailsig.NewMessage(mail.Header, mail.Body, mail.Body.Size())
	sets, err := message.Chain()
	if err == nil && len(sets) == 0 {
		return []checks.Result{render(checks.None, "", nil, 0)}, nil
	}
	v := &validation{checker: c, message: message, sets: sets, keys: map[string]fetched{}}
	if err == nil {
		err = v.run(ctx)
	}
	var p *mailsig.Problem
	switch {
	case err == nil:
		return []checks.Result{render(checks.Pass, "", sets, v.oldest)}, nil
	case ctx.Err() != nil || errors.As(err, &p) && p.Kind == mailsig.DNS:
		return []checks.Result{render(checks.TempError, err.Error(), sets, 0)}, nil
	case errors.As(err, &p):
		return []checks.Result{render(checks.Fail, err.Error(), sets, 0)}, nil
	}
	return nil, err
}

// validation is one run over the sets of a mail.
type validation struct {
	checker *Checker
	message *mailsig.Message
	sets    []mailsig.ARCSet
	keys    map[string]fetched
	oldest  int
}

type fetched struct {
	key *mailsig.Key
	err error
}

// run checks the newest message signature, then the seals, then how far back the older signatures hold.
func (v *validation) run(ctx context.Context) error {
	newest := v.sets[len(v.sets)-1]
	if err := v.times(newest.Message); err != nil {
		return about("message signature", newest, err)
	}
	if _, err := v.key(ctx, newest.Message); err != nil {
		return about("message signature", newest, err)
	}
	if err := v.hash(ctx); err != nil {
		return err
	}
	if err := v.signature(ctx, newest); err != nil {
		return about("message signature", newest, err)
	}
	for i := len(v.sets) - 1; i >= 0; i-- {
		if err := v.seal(ctx, i); err != nil {
			return about("seal", v.sets[i], err)
		}
	}
	v.oldest = v.lookBack(ctx)
	return nil
}

// hash hashes the body for all signatures at once.
func (v *validation) hash(ctx context.Context) error {
	signatures := make([]*mailsig.Signature, len(v.sets))
	for i := range v.sets {
		signatures[i] = v.sets[i].Message
	}
	return v.message.HashBody(ctx, signatures...)
}

func (v *validation) times(s *mailsig.Signature) error {
	now, skew := time.Now, v.checker.Skew
	if v.checker.Now != nil {
		now = v.checker.Now
	}
	if skew == 0 {
		skew = 10 * time.Minute
	}
	return s.Times(now(), skew)
}

// key gets the key of a signature, each only once for a mail.
func (v *validation) key(ctx context.Context, s *mailsig.Signature) (*mailsig.Key, error) {
	name := s.Selector + "._domainkey." + s.Domain
	f, ok := v.keys[name]
	if !ok {
		c := v.checker
		keys := mailsig.Keys{Resolver: bound(c.Resolver), MaxBits: c.MaxKeyBits, Cache: &c.known, OpenRSA: c.OpenRSA}
		f.key, f.err = keys.Fetch(ctx, s.Domain, s.Selector)
		v.keys[name] = f
	}
	return f.key, f.err
}

func (v *validation) signature(ctx context.Context, s mailsig.ARCSet) error {
	key, err := v.key(ctx, s.Message)
	if err != nil {
		return err
	}
	return v.message.Verify(s.Message, key)
}

// seal checks the seal of a set, which covers the sets before it and its own two other fields.
func (v *validation) seal(ctx context.Context, at int) error {
	key, err := v.key(ctx, v.sets[at].Seal)
	if err != nil {
		return err
	}
	s := &v.sets[at]
	return mailsig.VerifySeal(s.Seal, mailsig.Covered(v.sets[:at], s.Results, s.Message.Raw), key)
}

// lookBack returns the oldest instance whose signature still holds together with all newer ones, 0 when all do.
func (v *validation) lookBack(ctx context.Context) int {
	for i := len(v.sets) - 2; i >= 0; i-- {
		if v.signature(ctx, v.sets[i]) != nil {
			return i + 2
		}
	}
	return 0
}

// about says which part of which set a problem concerns.
func about(part string, s mailsig.ARCSet, err error) error {
	text := part + " " + strconv.Itoa(s.Seal.Instance)
	var p *mailsig.Problem
	if !errors.As(err, &p) {
		return err
	}
	return &mailsig.Problem{Kind: p.Kind, Text: text, Err: err}
}

// render makes the result of what is known about a chain.
func render(verdict checks.Verdict, reason string, sets []mailsig.ARCSet, oldest int) checks.Result {
	r := checks.Result{Check: "arc", Verdict: verdict, Reason: reason}
	o := checks.NewObject("arc", string(verdict))
	if n := len(sets); n > 0 {
		newest := sets[n-1].Seal
		o.Number("instance", float64(n))
		o.Text("domain", newest.Domain)
		o.Text("selector", newest.Selector)
		sealers := make([]string, n)
		for i := range sets {
			sealers[i] = sets[i].Seal.Domain
		}
		o.Texts("sealers", sealers)
		if verdict == checks.Pass {
			o.Number("oldest-pass", float64(oldest))
			r.Properties = []checks.Property{{Name: "header.oldest-pass", Value: strconv.Itoa(oldest)}}
		}
	}
	o.Some("reason", reason)
	r.JSON = o.JSON()
	return r
}

// bound makes each look-up count against the budget of the mail.
func bound(r Resolver) Resolver {
	if full, ok := r.(checks.Resolver); ok || r == nil {
		return checks.Bound(full)
	}
	return r
}
