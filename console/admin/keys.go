package admin

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/human"
)

// KeyFacts is what may be told of a private key.
type KeyFacts struct {
	Algorithm string // "rsa" or "ed25519"
	Record    string // text that the DNS has to have
	Weakness  string // why it should not be used any more; "": it is good
}

// Key is a DKIM key, without its private half, and how far it is on its way from being made to being withdrawn.
type Key struct {
	ID        int64    `json:"id"`
	Domain    string   `json:"domain"`
	Selector  string   `json:"selector"`
	Algorithm string   `json:"algorithm"`
	Name      string   `json:"name"`  // of the record in the DNS
	Text      string   `json:"text"`  // of the record
	Parts     []string `json:"parts"` // Text in strings of at most 255 bytes, as a zone file has them
	Weakness  string   `json:"weakness,omitempty"`
	// Published is what the DNS has: yes, no, other (another key), sha1 (the record forbids what mail is signed with) or
	// unknown (no answer); Said tells that in words.
	Published string `json:"published"`
	Said      string `json:"said"`
	Signs     bool   `json:"signs"` // it signs, once it is published where it has to be
	// Others are keys for the same mail that sign beside it, by their selectors: it can take over from these.
	Others []string `json:"others,omitempty"`
	// Retired is when it ceased to sign, and Withdraw when the mail that it signed has been judged, so that its record
	// may go; "": it signs.
	Retired  string `json:"retired,omitempty"`
	Withdraw string `json:"withdraw,omitempty"`
	Gone     bool   `json:"gone"` // the time of Withdraw has come
}

// The values of Published.
const (
	KeyPublished = "yes"
	KeyAbsent    = "no"
	KeyOther     = "other"
	KeySHA1      = "sha1"
	KeyUnknown   = "unknown"
)

// Lingering is how long after its last signature a key has to be in the DNS: mail may wait for days on its way through
// other servers, and whoever gets it in the end looks for the key.
const Lingering = 7 * 24 * time.Hour

// DescribeKey tells about a key, and asks the DNS.
func (a *Admin) DescribeKey(ctx context.Context, id int64) (*Key, error) {
	var all keyTable
	if err := a.knowsKeys(); err != nil {
		return nil, err
	}
	if err := a.view(ctx, all.read(ctx)); err != nil {
		return nil, err
	}
	row := all.row(id)
	if row == nil {
		return nil, rowError(settings.TableDKIMKeys, id, settings.ErrNotFound)
	}
	facts, err := a.keyFacts(row)
	if err != nil {
		return nil, err
	}
	k := &Key{ID: id, Domain: row.Domain, Selector: row.Selector, Algorithm: facts.Algorithm,
		Name: row.Selector + "._domainkey." + row.Domain, Text: facts.Record, Parts: inParts(facts.Record),
		Weakness: facts.Weakness, Signs: all.signs(row, a.now())}
	if at, ok := retired(row, a.now()); ok {
		k.Retired, k.Withdraw = settings.FormatTime(at), settings.FormatTime(at.Add(Lingering))
		k.Gone = !a.now().Before(at.Add(Lingering))
	}
	for _, other := range a.beside(&all, row, facts.Algorithm) {
		k.Others = append(k.Others, other.Selector)
	}
	k.Published, k.Said = a.askForKey(ctx, k)
	return k, nil
}

// MakeKey makes a key for a domain, which signs once it is published, and returns its id. Algorithm "": rsa.
func (a *Admin) MakeKey(ctx context.Context, domain, selector, algorithm string) (int64, error) {
	if err := a.knowsKeys(); err != nil {
		return 0, err
	}
	text, err := NewPrivateKey(algorithm)
	if err != nil {
		return 0, err
	}
	var all keyTable
	if err := a.view(ctx, all.read(ctx)); err != nil {
		return 0, err
	}
	if all.taken(addr.Fold(domain), selector) {
		return 0, &Conflict{Reason: "the domain has a key with this selector"}
	}
	row, err := a.Create(ctx, settings.TableDKIMKeys, Values{"domain": domain, "selector": selector, "privatekey": text,
		"checkdns": true})
	return row.ID, err
}

// SucceedKey makes a key that is to take the place of another: for the same mail, signing in the same way once it is
// published, beside the other until [Admin.UseKey]. Selector "": one with the date in it; algorithm "": the same. It
// returns the id of the new key.
func (a *Admin) SucceedKey(ctx context.Context, id int64, selector, algorithm string) (int64, error) {
	if err := a.knowsKeys(); err != nil {
		return 0, err
	}
	table, err := writable(settings.TableDKIMKeys)
	if err != nil {
		return 0, err
	}
	var made int64
	err = a.change(ctx, func(s settings.Store) error {
		var all keyTable
		if err := all.read(ctx)(s); err != nil {
			return err
		}
		old := all.row(id)
		if old == nil {
			return rowError(settings.TableDKIMKeys, id, settings.ErrNotFound)
		}
		facts, err := a.keyFacts(old)
		if err != nil {
			return err
		}
		if algorithm == "" {
			algorithm = facts.Algorithm
		}
		text, err := NewPrivateKey(algorithm)
		if err != nil {
			return err
		}
		if selector == "" {
			selector = all.free(old.Domain, "s"+a.now().UTC().Format("20060102"))
		}
		values := Values{"domain": old.Domain, "selector": selector, "privatekey": text, "headers": old.Headers,
			"priority": old.Priority, "protocols": old.Protocols, "canonicalization": old.Canonicalization,
			"report": old.Report, "checkdns": true}
		if _, over := retired(old, a.now()); !over {
			values["expire"] = old.Expire
		}
		if all.taken(old.Domain, selector) {
			return &Conflict{Reason: "the domain has a key with this selector"}
		}
		row, err := a.write(ctx, s, table, 0, values, "")
		if err != nil {
			return err
		}
		made = row.ID
		return all.copyPatterns(ctx, s, id, made)
	})
	if err != nil {
		return 0, err
	}
	a.did(ctx, "DKIM key made", "id", made, "in place of", id, "selector", selector)
	return made, nil
}

// UseKey has a key take over from the others for the same mail: they cease to sign at once. A [Conflict] says that the
// DNS does not have it, or that there is none to take over from.
func (a *Admin) UseKey(ctx context.Context, id int64) error {
	key, err := a.DescribeKey(ctx, id)
	switch {
	case err != nil:
		return err
	case key.Published != KeyPublished:
		return &Conflict{Reason: "the key is not used, since it is not published. " + key.Said}
	case !key.Signs:
		return &Conflict{Reason: "the key is switched off, or its time is over"}
	}
	var from []string
	err = a.change(ctx, func(s settings.Store) error {
		var all keyTable
		if err := all.read(ctx)(s); err != nil {
			return err
		}
		row := all.row(id)
		if row == nil {
			return rowError(settings.TableDKIMKeys, id, settings.ErrNotFound)
		}
		from = nil
		for _, old := range a.beside(&all, row, key.Algorithm) {
			old.Expire = settings.FormatTime(a.now())
			if err := settings.Update(ctx, s, old); err != nil {
				return err
			}
			from = append(from, old.Selector)
		}
		if from == nil {
			return &Conflict{Reason: "no other key of this domain and kind signs the same mail"}
		}
		return nil
	})
	if err == nil {
		a.did(ctx, "DKIM key takes over", "id", id, "record", key.Name, "from", strings.Join(from, ", "))
	}
	return err
}

// WithdrawKey deletes a key whose mail has gone. A [Conflict] says that it signs, or until when its mail may be on its
// way.
func (a *Admin) WithdrawKey(ctx context.Context, id int64) error {
	key, err := a.DescribeKey(ctx, id)
	switch {
	case err != nil:
		return err
	case key.Retired == "":
		return &Conflict{Reason: "the key still signs"}
	case !key.Gone:
		return &Conflict{Reason: "mail that the key has signed may be on its way until " + key.Withdraw + " UTC"}
	}
	return a.Delete(ctx, settings.TableDKIMKeys, id, "")
}

func (a *Admin) knowsKeys() error {
	if a.Key == nil {
		return unsupported("this server knows nothing of keys")
	}
	return nil
}

func (a *Admin) keyFacts(row *settings.DKIMKey) (KeyFacts, error) {
	facts, err := a.Key(string(row.PrivateKey))
	if err != nil {
		return facts, &Conflict{Reason: "the key cannot be used: " + human.Cut(err.Error(), 200)}
	}
	return facts, nil
}

// beside are the other keys that sign the same mail, of the same kind: one of another kind is not to be replaced, but
// signs as well.
func (a *Admin) beside(all *keyTable, row *settings.DKIMKey, algorithm string) []*settings.DKIMKey {
	var found []*settings.DKIMKey
	for i := range all.keys {
		other := &all.keys[i]
		if other.ID == row.ID || other.Domain != row.Domain || !all.signs(other, a.now()) || !all.sameMail(other, row) {
			continue
		}
		if facts, err := a.keyFacts(other); err == nil && facts.Algorithm == algorithm {
			found = append(found, other)
		}
	}
	return found
}

// keyTable is what the settings have of keys.
type keyTable struct {
	keys     []settings.DKIMKey
	patterns []settings.DKIMPattern
}

func (k *keyTable) read(ctx context.Context) func(settings.Store) error {
	return func(s settings.Store) (err error) {
		if k.keys, _, err = settings.List[settings.DKIMKey](ctx, s); err == nil {
			k.patterns, _, err = settings.List[settings.DKIMPattern](ctx, s)
		}
		return err
	}
}

func (k *keyTable) row(id int64) *settings.DKIMKey {
	i := slices.IndexFunc(k.keys, func(r settings.DKIMKey) bool { return r.ID == id })
	if i < 0 {
		return nil
	}
	return &k.keys[i]
}

// retired tells since when the time of a key is over.
func retired(row *settings.DKIMKey, now time.Time) (time.Time, bool) {
	at, err := settings.ParseTime(row.Expire)
	if err != nil || at.IsZero() || !strings.Contains(row.Expire, "-") || now.Before(at) { // else seconds
		return time.Time{}, false
	}
	return at, true
}

func (k *keyTable) signs(row *settings.DKIMKey, now time.Time) bool {
	_, over := retired(row, now)
	return row.Enabled && !over
}

func (k *keyTable) sameMail(a, b *settings.DKIMKey) bool {
	return slices.Equal(k.signedBy(a.ID), k.signedBy(b.ID)) && a.Protocols == b.Protocols
}

// signedBy are the patterns of a key, in an order that makes them comparable.
func (k *keyTable) signedBy(id int64) (all []string) {
	for _, p := range k.patterns {
		if p.DKIMKey == id {
			all = append(all, p.Type+" "+p.Sign)
		}
	}
	slices.Sort(all)
	return all
}

func (k *keyTable) taken(domain, selector string) bool {
	return slices.ContainsFunc(k.keys, func(r settings.DKIMKey) bool {
		return r.Domain == domain && strings.EqualFold(r.Selector, selector)
	})
}

// free is a selector that begins with a text and that no key of the domain has.
func (k *keyTable) free(domain, begin string) string {
	selector := begin
	for n := 2; k.taken(domain, selector); n++ {
		selector = fmt.Sprint(begin, "-", n)
	}
	return selector
}

func (k *keyTable) copyPatterns(ctx context.Context, s settings.Store, from, to int64) error {
	for _, p := range k.patterns {
		if p.DKIMKey != from {
			continue
		}
		p.ID, p.DKIMKey = 0, to
		if err := settings.Insert(ctx, s, &p); err != nil {
			return err
		}
	}
	return nil
}

// NewPrivateKey generates a private key, as PEM; "" makes an RSA key.
func NewPrivateKey(algorithm string) (string, error) {
	var key crypto.PrivateKey
	var err error
	switch algorithm {
	case "", "rsa":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		return "", invalid("algorithm", algorithm, "rsa or ed25519")
	}
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

// inParts cuts a text into strings that a TXT record can hold.
func inParts(s string) []string {
	const most = 255
	var parts []string
	for len(s) > most {
		parts, s = append(parts, s[:most]), s[most:]
	}
	return append(parts, s)
}

// askForKey compares what is published with what should be.
func (a *Admin) askForKey(ctx context.Context, want *Key) (published, said string) {
	look := a.LookupTXT
	if look == nil {
		look = net.DefaultResolver.LookupTXT
	}
	ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	found, err := look(ctx, want.Name)
	if gone, ok := errors.AsType[*net.DNSError](err); ok && gone.IsNotFound || err == nil && len(found) == 0 {
		return KeyAbsent, "The DNS has no record of this name. Publish it; it may take a while until it is seen everywhere."
	}
	if err != nil {
		return KeyUnknown, "The DNS did not answer: " + human.Cut(err.Error(), 200) + ". Try again in a minute."
	}
	for _, record := range found {
		if keyTag(record, "p") != keyTag(want.Text, "p") {
			continue
		}
		if hashes := keyTag(record, "h"); hashes != "" && !slices.Contains(strings.Split(hashes, ":"), "sha256") {
			return KeySHA1, "The DNS has this key, but its tag h forbids sha256, which mail is signed with (SHA-1 is broken, " +
				"and receivers ignore it): signatures do not hold. Take the tag out."
		}
		return KeyPublished, "The DNS has this key."
	}
	return KeyOther, "The DNS has another key under this name: signatures do not hold. It says: " + human.Cut(found[0], 200)
}

// keyTag is a tag of a key record, without blanks; "": it is not there.
func keyTag(record, name string) string {
	for tag := range strings.SplitSeq(record, ";") {
		key, value, _ := strings.Cut(tag, "=")
		if strings.TrimSpace(key) == name {
			return strings.Join(strings.Fields(value), "")
		}
	}
	return ""
}
