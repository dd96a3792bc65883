package sign

import (
	"cmp"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/mailsig"
	"github.com/sluicemail/sluice/queue"
)

// key is what one signature is made with.
type key struct {
	domain   string // folded
	selector string
	signer   crypto.Signer
	expire   int64     // seconds; zero: never
	until    time.Time // signatures expire, and the key is used no more; zero: never
	extra    []string  // fields that are also signed
	report   bool
	dkim     bool // makes DKIM-Signatures
	arc      bool // makes ARC seals
	priority int
	header   mailsig.Form
	body     mailsig.Form
	checkDNS bool
	public   [sha256.Size]byte // hash of the public key, when checkDNS is set
}

// record is the name under which the DNS has the public key.
func (k *key) record() string { return k.selector + "._domainkey." + k.domain }

// fingerprint hashes the public half of a key.
func fingerprint(k crypto.Signer) [sha256.Size]byte {
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		return [sha256.Size]byte{} // not of keys that ParseKey returns
	}
	return sha256.Sum256(der)
}

// maxExpire keeps x= within the twelve digits of RFC 6376 §3.5.
const maxExpire = 100 * 366 * 24 * 3600

// fault says what is wrong with one property of a key, without showing a secret.
type fault struct{ property, want, got string }

func (f *fault) Error() string { return f.property + ": expected " + f.want + ", got " + f.got }

// newKey compiles a key as the message's property has it. The error is a *fault.
func newKey(k *queue.DKIM, cache *KeyCache) (*key, *fault) {
	out := &key{selector: k.Selector, expire: k.Expire, until: k.ExpireAt, extra: k.Headers, report: k.Report,
		priority: k.Priority}
	out.dkim = len(k.Protocols) == 0 || slices.ContainsFunc(k.Protocols, func(p string) bool { return p != "arc" })
	out.arc = slices.Contains(k.Protocols, "arc")
	out.domain = addr.Fold(strings.TrimSuffix(k.Domain, "."))
	if !addr.ValidDomain(out.domain, addr.Loose) || strings.HasPrefix(out.domain, "[") || !plainName(out.domain) {
		return nil, &fault{"domain", "a domain", fmt.Sprintf("%.80q", k.Domain)}
	}
	if !plainName(k.Selector) {
		return nil, &fault{"selector", "a selector (letters, digits and hyphens, with dots between)",
			fmt.Sprintf("%.80q", k.Selector)}
	}
	if len(out.record()) > 253 {
		return nil, &fault{"selector", "a selector with which the name in the DNS has at most 253 bytes",
			strconv.Itoa(len(out.record()))}
	}
	if k.Expire < 0 || k.Expire > maxExpire {
		return nil, &fault{"expire", "seconds, at most " + strconv.Itoa(maxExpire), strconv.FormatInt(k.Expire, 10)}
	}
	if len(k.Headers) > maxExtra {
		return nil, &fault{"headers", "at most " + strconv.Itoa(maxExtra) + " names", strconv.Itoa(len(k.Headers))}
	}
	if name, bad := badName(k.Headers); bad {
		return nil, &fault{"headers", "names of header fields", fmt.Sprintf("%.80q", name)}
	}
	var ok bool
	if out.header, out.body, ok = parseForms(k.Canonicalization); !ok {
		return nil, &fault{"canonicalization", "relaxed or simple, or two of them with a slash",
			fmt.Sprintf("%.80q", k.Canonicalization)}
	}
	var err error
	if out.signer, err = cache.Parse(k.Key); err != nil {
		return nil, &fault{"key", wantKey, err.Error()}
	}
	return out, nil
}

// byPriority sorts keys: the lower number is nearer the top, and those of one priority stay in their order.
func byPriority(keys []*key) {
	slices.SortStableFunc(keys, func(a, b *key) int { return cmp.Compare(a.priority, b.priority) })
}

// parseForms reads the ways of canonicalisation: relaxed/simple unless said otherwise, and a body that is not mentioned
// is simple (RFC 6376 §3.5).
func parseForms(s string) (header, body mailsig.Form, ok bool) {
	if s == "" {
		return mailsig.Relaxed, mailsig.Simple, true
	}
	h, b, both := strings.Cut(s, "/")
	if !both {
		b = "simple"
	}
	header, ok = parseForm(h)
	if ok {
		body, ok = parseForm(b)
	}
	return header, body, ok
}

func parseForm(s string) (mailsig.Form, bool) {
	switch s {
	case "relaxed":
		return mailsig.Relaxed, true
	case "simple":
		return mailsig.Simple, true
	}
	return 0, false
}

// plainName reports whether a text is labels with dots between, of characters that a tag of a signature may have.
func plainName(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for i := range len(label) {
			c := label[i] | 0x20
			if (c < 'a' || c > 'z') && (label[i] < '0' || label[i] > '9') && label[i] != '-' && label[i] != '_' {
				return false
			}
		}
	}
	return true
}

// draft says how this key signs a mail.
func (k *key) draft(m *mailsig.Message, now time.Time) *mailsig.Draft {
	d := &mailsig.Draft{Domain: k.domain, Selector: k.selector, Key: k.signer, Header: k.header, Body: k.body,
		Fields: names(m, k.extra), Time: now, Report: k.report}
	if k.expire > 0 {
		d.Expires = now.Add(time.Duration(k.expire) * time.Second)
	}
	if !k.until.IsZero() {
		d.Expires = k.until
	}
	return d
}

// over reports whether the time of a key is over.
func over(until, now time.Time) bool { return !until.IsZero() && !now.Before(until) }

// lifetime is how long a signature may be given to further recipients of the same mail: an eighth of its validity at
// most, and while the keys are used.
func lifetime(keys []*key, most time.Duration, now time.Time) time.Duration {
	shortest := int64(math.MaxInt64)
	for _, k := range keys {
		if k.expire > 0 && k.until.IsZero() {
			shortest = min(shortest, k.expire)
		}
		if !k.until.IsZero() {
			most = min(most, k.until.Sub(now))
		}
	}
	if shortest == math.MaxInt64 {
		return most
	}
	return min(most, time.Duration(shortest)*time.Second/8)
}
