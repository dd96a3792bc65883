package dmarc

import (
	"github.com/sluicemail/sluice/checks"
)

// render makes a result of an outcome.
func render(o outcome) checks.Result {
	detail := checks.DMARC{From: o.from, Domain: o.site.domain, Policy: string(o.policy),
		Disposition: string(o.disposition)}
	if detail.Disposition == "" {
		detail.Disposition = string(PolicyNone)
	}
	r := checks.Result{Check: "dmarc", Verdict: o.verdict, Reason: o.reason}
	object := checks.NewObject("dmarc", string(o.verdict))
	object.Some("header.from", o.from)
	if o.from != "" {
		r.Properties = append(r.Properties, checks.Property{Name: "header.from", Value: o.from})
	}
	if record := o.site.record; record != nil {
		detail.Testing = record.Testing
		object.Text("policy", detail.Policy)
		object.Text("disposition", detail.Disposition)
		object.Text("policy-domain", o.site.domain)
		if record.Testing {
			object.Flag("testing", true)
		}
		r.Properties = append(r.Properties, checks.Property{Name: "polrec.p", Value: string(record.Policy)})
		if o.site.domain != o.from {
			r.Properties = append(r.Properties, checks.Property{Name: "polrec.domain", Value: o.site.domain})
		}
		if o.site.secure {
			object.Flag("dnssec", true)
			r.Properties = append(r.Properties, checks.SecureProperty())
		}
	}
	object.Some("reason", o.reason)
	r.JSON, r.Detail = object.JSON(), detail
	return r
}
