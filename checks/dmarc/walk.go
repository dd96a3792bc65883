package dmarc

import (
	"context"
	"errors"
	"net"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/sluicemail/sluice/checks"
)

// maxLabels bounds the walk: from longer names it jumps to this many labels (RFC 9989 §4.10).
const maxLabels = 7

// walker looks records up, each name once for a mail.
type walker struct {
	resolver Resolver
	records  map[string]answer
}

type answer struct {
	record *Record // nil: none
	secure bool    // DNSSEC vouches for the record
	err    error
}

// site is a record with its place.
type site struct {
	domain string
	record *Record
	secure bool
}

// tree is what a walk from a domain up found, from the longest name to the shortest.
type tree struct {
	start string
	sites []site
}

// at returns the record of a name; nil when there is none, or several, or it makes no sense. An error: nobody could
// say.
func (w *walker) at(ctx context.Context, domain string) answer {
	if a, ok := w.records[domain]; ok {
		return a
	}
	var a answer
	texts, secure, err := w.texts(ctx, "_dmarc."+domain)
	switch {
	case err == nil:
		a.record, a.secure = choose(texts), secure
	case !notFound(err):
		a.err = err
	}
	w.records[domain] = a
	return a
}

// texts asks for texts, and whether DNSSEC vouches for them.
func (w *walker) texts(ctx context.Context, name string) (texts []string, secure bool, err error) {
	if s, ok := w.resolver.(checks.SecureResolver); ok {
		return s.LookupTXTSecure(ctx, name)
	}
	texts, err = w.resolver.LookupTXT(ctx, name)
	return texts, false, err
}

// choose returns the one record among texts: with several, none counts (RFC 9989 §4.10).
func choose(texts []string) *Record {
	found := -1
	for i, text := range texts {
		if !isRecord(text) {
			continue
		}
		if found >= 0 {
			return nil
		}
		found = i
	}
	if found < 0 {
		return nil
	}
	if r, ok := ParseRecord(texts[found]); ok {
		return &r
	}
	return nil
}

// walk goes from a domain up (RFC 9989 §4.10).
func (w *walker) walk(ctx context.Context, domain string) (tree, error) {
	t := tree{start: domain}
	for name := domain; name != ""; name = parent(name) {
		a := w.at(ctx, name)
		if a.err != nil {
			return t, a.err
		}
		if a.record == nil {
			continue
		}
		t.sites = append(t.sites, site{name, a.record, a.secure})
		if a.record.PSD != PSDUnknown {
			break
		}
	}
	return t, nil
}

// parent returns the next name of a walk, "" at its end.
func parent(name string) string {
	_, up, _ := strings.Cut(name, ".")
	for labels := strings.Count(up, ".") + 1; labels > maxLabels; labels-- {
		_, up, _ = strings.Cut(up, ".")
	}
	return up
}

// organisation returns the domain of the organisation that the start of the walk belongs to (RFC 9989 §4.10.2).
func (t tree) organisation() string {
	for _, s := range t.sites {
		switch {
		case s.record.PSD == PSDNo:
			return s.domain
		case s.record.PSD == PSDYes && s.domain != t.start:
			return below(t.start, s.domain)
		}
	}
	if n := len(t.sites); n > 0 {
		return t.sites[n-1].domain
	}
	return t.start
}

// below returns the name one label below a parent, on the way to a domain.
func below(domain, parent string) string {
	head := strings.TrimSuffix(domain, "."+parent)
	return head[strings.LastIndexByte(head, '.')+1:] + "." + parent
}

// decided reports whether a psd tag decided on the organisation.
func (t tree) decided() bool {
	for _, s := range t.sites {
		if s.record.PSD != PSDUnknown {
			return true
		}
	}
	return false
}

// policy returns the record that applies to the start of the walk: its own, that of its organisation, or that of the
// public suffix above (RFC 9989 §4.10.1).
func (t tree) policy() (site, bool) {
	organisation := t.organisation()
	for _, s := range t.sites {
		if s.domain == t.start || s.domain == organisation || s.record.PSD == PSDYes {
			return s, true
		}
	}
	return site{}, false
}

// Registered returns the domain that RFC 7489 §3.2 calls organisational, after the public suffix list, or "".
func Registered(domain string) string {
	name, err := publicsuffix.EffectiveTLDPlusOne(domain)
	if err != nil {
		return ""
	}
	return name
}

// exists reports whether a domain has mail exchangers or addresses (RFC 9989 §3.2, non-existent domains).
func (w *walker) exists(ctx context.Context, domain string) (bool, error) {
	if _, err := w.resolver.LookupMX(ctx, domain); err == nil {
		return true, nil
	} else if !notFound(err) {
		return false, err
	}
	_, err := w.resolver.LookupIPAddr(ctx, domain)
	if err == nil {
		return true, nil
	}
	if notFound(err) {
		return false, nil
	}
	return false, err
}

func notFound(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}
