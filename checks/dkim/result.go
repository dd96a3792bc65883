package dkim

import (
	"errors"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/internal/mailsig"
)

func none() checks.Result { return render(checks.None, "", nil, nil) }

// result says how it went with a signature.
func (c *Checker) result(s *signature) checks.Result {
	var p *mailsig.Problem
	if c.AcceptPartial && errors.As(s.err, &p) && p.Kind == mailsig.Partial {
		return render(checks.Pass, s.err.Error(), s.Signature, s.key)
	}
	reason := ""
	if s.err != nil {
		reason = s.err.Error()
	}
	return render(verdict(s.err), reason, s.Signature, s.key)
}

// brief is how much of a signature a result names, so that signatures of one domain can be told apart (RFC 6008 §4).
const brief = 8

// render makes a result of what is known about a signature; s and key may be nil.
func render(v checks.Verdict, reason string, s *mailsig.Signature, key *mailsig.Key) checks.Result {
	r := checks.Result{Check: "dkim", Verdict: v, Reason: reason}
	o := checks.NewObject("dkim", string(v))
	if s != nil {
		text := s.Text[:min(brief, len(s.Text))]
		o.Some("domain", s.Domain)
		o.Some("selector", s.Selector)
		o.Some("header.i", s.Identity)
		o.Some("header.b", text)
		o.Some("algorithm", s.Algorithm)
		r.Properties = properties("header.d", s.Domain, "header.i", s.Identity, "header.s", s.Selector, "header.a",
			s.Algorithm,
			"header.b", text)
	}
	if key != nil {
		if key.Bits > 0 {
			o.Number("bits", float64(key.Bits))
		}
		if key.Testing {
			o.Flag("testing", true)
		}
		if key.Secure {
			o.Flag("dnssec", true)
			r.Properties = append(r.Properties, checks.SecureProperty())
		}
	}
	if s != nil && s.Length >= 0 {
		o.Number("length", float64(s.Length))
		o.Number("unsigned", float64(s.Unsigned()))
	}
	o.Some("reason", reason)
	r.JSON = o.JSON()
	return r
}

// properties makes pairs of names and values into properties, without pairs whose value is empty.
func properties(pairs ...string) []checks.Property {
	list := make([]checks.Property, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			list = append(list, checks.Property{Name: pairs[i], Value: pairs[i+1]})
		}
	}
	return list
}
