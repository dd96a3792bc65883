package preflight

import (
	"bytes"
	"slices"
	"strings"

	"github.com/sluicemail/sluice/checks/dmarc"
	"github.com/sluicemail/sluice/internal/mailsig"
)

// checkSigners looks whose domains the signatures and the envelope name.
func (v *view) checkSigners() {
	if v.signed == 0 {
		v.add(unsigned, "")
	}
	if len(v.author) == 0 {
		return
	}
	author := v.author[0]
	if aligned(v.mail.sender(), author) ||
		slices.ContainsFunc(v.signatures, func(s mailsig.Signature) bool { return aligned(s.Domain, author) }) {
		return
	}
	var signers []string
	for _, s := range v.signatures {
		signers = append(signers, s.Domain)
	}
	text := "From is of " + author + ", the envelope of " + orNobody(v.mail.sender()) + ", signed by " +
		orNobody(strings.Join(signers, ", "))
	v.add(notAligned, text)
}

// stands reports whether there is a signature of which nothing was told yet.
func (v *view) stands(domain, selector string) bool {
	return slices.ContainsFunc(v.signatures, func(s mailsig.Signature) bool {
		return s.Domain == domain && s.Selector == selector && s.Length < 0 && !v.over(&s)
	})
}

// over reports whether the time of a signature is over.
func (v *view) over(s *mailsig.Signature) bool { return !s.Expires.IsZero() && v.now.After(s.Expires) }

func orNobody(domain string) string {
	if domain == "" {
		return "nobody"
	}
	return domain
}

// aligned reports whether two domains are of the same organisation, as DMARC has it unless the owner says otherwise.
func aligned(a, b string) bool {
	if a == b {
		return a != ""
	}
	organisation := dmarc.Registered(a)
	return organisation != "" && organisation == dmarc.Registered(b)
}

// checkUnsubscribe looks at one-click unsubscribe (RFC 8058 §3.1, §4).
func (v *view) checkUnsubscribe() {
	have, post := v.count[unsubscribe] > 0, v.count[unsubscribePost] > 0
	secure := have && httpsListed(v.value(unsubscribe))
	switch {
	case !have && post:
		v.add(badOneClick, "there is List-Unsubscribe-Post, and no List-Unsubscribe")
	case post && string(v.value(unsubscribePost)) != "List-Unsubscribe=One-Click":
		v.add(badOneClick, "List-Unsubscribe-Post is "+shown(v.value(unsubscribePost)))
	case post && !secure:
		v.add(badOneClick, "List-Unsubscribe has no https address: "+shown(v.value(unsubscribe)))
	case post && len(v.signatures) > 0 && !v.coversUnsubscribe():
		v.add(unsubscribeUnsigned, "")
	case v.mail.Transactional || post:
	case have:
		v.add(noOneClick, "")
	default:
		v.add(noUnsubscribe, "")
	}
}

// httpsListed reports whether one of the addresses in angle brackets is of https.
func httpsListed(list []byte) bool {
	const start = "<https://"
	for rest := list; ; {
		at := bytes.IndexByte(rest, '<')
		if at < 0 {
			return false
		}
		rest = rest[at:]
		if len(rest) > len(start) && strings.EqualFold(string(rest[:len(start)]), start) && bytes.IndexByte(rest, '>') > 0 {
			return true
		}
		rest = rest[1:]
	}
}

// coversUnsubscribe reports whether one signature covers both fields.
func (v *view) coversUnsubscribe() bool {
	return slices.ContainsFunc(v.signatures, func(s mailsig.Signature) bool {
		return slices.Contains(s.Fields, names[unsubscribe]) && slices.Contains(s.Fields, names[unsubscribePost])
	})
}
