package spf

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"

	"blitiri.com.ar/go/spf"
	"golang.org/x/net/idna"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/internal/addr"
)

// Name is what the check is called in results.
const Name = "spf"

// Checker checks the envelope of mails. Its zero value works. It is safe for concurrent use.
type Checker struct {
	// Resolver is asked, within the look-ups that a mail may cost; nil is net.DefaultResolver.
	Resolver checks.Resolver
}

// Outcome is the Detail of a result.
type Outcome struct {
	Domain string // whose policy was asked for, in ASCII; "" when there was none to ask for
	Helo   bool   // the name of EHLO was checked, because there is no sender
}

// Name returns "spf".
func (c *Checker) Name() string { return Name }

// Check returns one result. Its JSON is {"spf":"pass","smtp.mailfrom":"a@b"}, or with "smtp.helo" for the null sender.
func (c *Checker) Check(ctx context.Context, mail *checks.Mail) ([]checks.Result, error) {
	id := identify(mail)
	verdict, reason := c.evaluate(ctx, mail.Client, id)
	return []checks.Result{{
		Check:      Name,
		Verdict:    verdict,
		Reason:     reason,
		Properties: []checks.Property{{Name: id.property, Value: id.value}},
		JSON:       checks.NewObject(Name, string(verdict)).Text(id.property, id.value).JSON(),
		Detail:     Outcome{Domain: id.domain, Helo: id.property == heloProperty},
	}}, nil
}

const (
	mailProperty = "smtp.mailfrom"
	heloProperty = "smtp.helo"
)

// identity is who says to send the mail.
type identity struct {
	property, value string // for the result
	local, domain   string // domain is "" when it cannot have a policy
	helo            string
}

func identify(mail *checks.Mail) identity {
	id := identity{property: mailProperty, value: mail.Envelope, local: "postmaster", helo: mail.Hostname}
	if ascii, ok := domainName(mail.Hostname); ok {
		id.helo = ascii
	}
	id.helo = last(id.helo)
	domain := mail.Hostname
	if mail.Envelope == "" {
		id.property, id.value = heloProperty, mail.Hostname
	} else if at := strings.LastIndexByte(mail.Envelope, '@'); at >= 0 {
		domain = mail.Envelope[at+1:]
		if at > 0 {
			id.local = strings.ReplaceAll(last(mail.Envelope[:at]), "@", "_")
		}
	} else {
		domain = ""
	}
	if ascii, ok := domainName(domain); ok {
		id.domain = ascii
	}
	return id
}

// last returns the end of a text for macros, as much as a name can hold: so a record that repeats them is not
// expensive.
func last(s string) string {
	return s[max(0, len(s)-253):]
}

// evaluate returns the verdict with what led to it.
func (c *Checker) evaluate(ctx context.Context, client netip.Addr, id identity) (checks.Verdict, string) {
	switch {
	case !client.IsValid():
		return checks.None, "no client address"
	case id.domain == "":
		return checks.None, "no domain to ask"
	case ctx.Err() != nil:
		return checks.TempError, "no verdict in time"
	}
	client = client.Unmap().WithZone("")
	asker := newAsker(checks.Bound(c.Resolver), client, id)
	result, err := spf.CheckHostWithSender(net.IP(client.AsSlice()), id.helo, id.local+"@"+id.domain,
		spf.WithContext(ctx), spf.WithResolver(asker))
	verdict := checks.Verdict(result)
	// A mechanism that could not be asked is never the reason to refuse.
	if ctx.Err() != nil && verdict != checks.Pass {
		return checks.TempError, "no verdict in time"
	}
	return verdict, explain(verdict, err)
}

// explain says why, in words for people.
func explain(verdict checks.Verdict, err error) string {
	var dns *net.DNSError
	var broken *recordError
	switch {
	case errors.Is(err, checks.ErrTooManyLookups):
		return checks.ErrTooManyLookups.Error()
	case errors.As(err, &dns) && verdict == checks.TempError:
		return "no answer about " + dns.Name
	case errors.As(err, &broken):
		return broken.Error()
	case verdict == checks.None:
		return "no policy"
	case err != nil && !errors.As(err, &dns):
		return err.Error()
	}
	return ""
}

// domainName returns a domain in the form in which the DNS knows it, and whether it can have a policy (§4.3).
func domainName(name string) (string, bool) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if !addr.IsASCII(name) {
		ascii, err := idna.Lookup.ToASCII(name)
		if err != nil {
			return "", false
		}
		name = ascii
	}
	if !strings.Contains(name, ".") || strings.ContainsAny(name, ` @[]"\`) || !canAsk(name) {
		return "", false
	}
	return name, true
}

// canAsk reports whether a name can be asked for: its labels have 1 to 63 octets of printable ASCII.
func canAsk(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	label := 0
	for i := range len(name) {
		switch c := name[i]; {
		case c == '.':
			if label == 0 {
				return false
			}
			label = 0
		case c < ' ' || c > '~':
			return false
		default:
			if label++; label > 63 {
				return false
			}
		}
	}
	return label > 0
}
