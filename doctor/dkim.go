package doctor

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluicemail/sluice/checks/dmarc"
	"github.com/sluicemail/sluice/internal/mailsig"
)

// checkKeys compares each key with what the DNS has under its name.
func checkKeys(r *round) {
	signed := map[string]bool{}
	for _, k := range r.Keys {
		signed[k.Domain], signed[dmarc.Registered(k.Domain)] = true, true
	}
	for _, domain := range r.Domains {
		if !signed[domain] && !signed[dmarc.Registered(domain)] {
			r.fail("dkim-none", domain, "no key signs mail of the domain", "make one for it (console: DKIM keys)")
		}
	}
	each(r.Keys, func(k Key) {
		where := k.Selector + "._domainkey." + k.Domain
		key, err := fetch(r.ctx, r.Resolver, k)
		problem, known := errors.AsType[*mailsig.Problem](err)
		switch {
		case err == nil && !key.Matches(k.Public):
			r.fail("dkim-other", where, "the DNS has another key", "publish the record that the console shows with the key")
		case err == nil:
			r.checkPublished(where, key)
		case known && problem.Kind == mailsig.NoKey:
			r.fail("dkim-missing", where, "the key is not in the DNS: "+problem.Text,
				"publish the TXT record that the console shows with the key")
		case known && problem.Kind == mailsig.Weak:
			r.fail("dkim-short", where, problem.Text, "make a key of 2048 bits, and rotate to it")
		case known && problem.Kind != mailsig.DNS:
			r.fail("dkim-broken", where, "the record of the key makes no sense: "+err.Error(),
				"publish the TXT record that the console shows with the key")
		default:
			r.unknown(where, err)
		}
	})
}

// largestKey is the most bits of a key that are looked at.
const largestKey = 8192

func fetch(ctx context.Context, resolver mailsig.Resolver, k Key) (*mailsig.Key, error) {
	return (&mailsig.Keys{Resolver: resolver, MaxBits: largestKey}).Fetch(ctx, k.Domain, k.Selector)
}

// checkPublished looks at a key that is there.
func (r *round) checkPublished(where string, key *mailsig.Key) {
	if key.Bits < 2048 && key.Bits != 256 {
		r.warn("dkim-1024", where, fmt.Sprintf("the key has %d bits", key.Bits), "make a key of 2048 bits, and rotate to it")
	}
	if key.Testing {
		r.warn("dkim-testing", where, "the record says that the key is for testing (t=y): receivers may ignore it",
			"take t=y out of the record")
	}
}
