package sheets

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/internal/human"
)

func dkimKeys() *sheet {
	return &sheet{
		path: "/dkim", title: "DKIM keys", group: frame.SetUp, table: settings.TableDKIMKeys, one: "DKIM key", add: "Add a DKIM key",
		about: "Keys to sign mail with. The public half of each belongs into the DNS; the private one is never shown.",
		empty: "There are no keys: mail is signed only when it brings a key of its own. Add one for each domain that you send from.",
		columns: []listColumn{{title: "Domain", key: "domain"}, {title: "Selector", key: "selector"},
			{title: "Signs", cell: signsCell}, {title: "Waits for DNS", key: "checkdns"}},
		groups: []fieldGroup{
			{fields: []string{"domain", "selector"}},
			{title: "Key", fields: []string{"privatekey"}},
			{title: "How it signs", fields: []string{"checkdns", "expire", "headers", "canonicalization", "protocols", "report",
				"priority"}, folded: true},
		},
		subs: []subsheet{{table: settings.TableDKIMPatterns, parent: "dkim_key", title: "Signs", one: "pattern",
			asks: "which mail it signs", about: "mail whose From has one of these domains",
			empty: "It signs the mail from its own domain.", columns: []string{"type", "sign"}}},
		named: func(values admin.Values) string {
			return text(values, "selector") + "._domainkey." + text(values, "domain")
		},
		fill:   fillKey,
		accept: makeKey,
	}
}

// dnsRecord is what the DNS has to have for a key.
type dnsRecord struct {
	Name, Text string
	Parts      []string // of at most 255 bytes, as a zone file has them
	State      string   // as of "kind": "ok", "offline"; "": not asked
	Said       string
	Check      string // address that asks the DNS
	Weakness   string // of the key
}

// makeKey generates the private key, unless one was pasted.
func makeKey(v *visit, f *rowForm) error {
	text, err := newKey(v.R.PostForm.Get("make"))
	if err != nil {
		return err
	}
	if text != "" && v.R.PathValue("id") == "new" {
		f.values["privatekey"] = text
	}
	return nil
}

// newKey generates a private key of a kind, as PEM; "" for none.
func newKey(kind string) (string, error) {
	var key crypto.PrivateKey
	var err error
	switch kind {
	case "rsa":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		return "", nil
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

func fillKey(v *visit, d *rowData) {
	for i := range d.Groups {
		for _, in := range d.Groups[i].Inputs {
			if in.Column != "privatekey" {
				continue
			}
			in.Required = false
			if d.ID != 0 {
				d.Groups[i].Title, d.Groups[i].Note, d.Groups[i].Folded = "Replace the key", "one is stored; it is never shown",
					in.Error == ""
				in.Placeholder = "leave it empty to keep the key"
			} else {
				in.Placeholder = "-----BEGIN PRIVATE KEY----- …"
				d.Groups[i].Make = cmp.Or(v.R.PostForm.Get("make"), "rsa")
			}
		}
	}
	if d.ID != 0 {
		d.Record = v.keyRecord(d)
	}
}

// keyRecord makes the record of a key, and compares it with the DNS when it is asked to.
func (v *visit) keyRecord(d *rowData) *dnsRecord {
	tools := &v.c.Tools
	if tools.Key == nil {
		return nil
	}
	made := &dnsRecord{Name: d.Name, Check: d.Action + "?check=dns#record"}
	for _, key := range v.c.Settings.Current().Rows.DKIMKeys {
		if key.ID != d.ID {
			continue
		}
		facts, err := tools.Key(string(key.PrivateKey))
		if err != nil {
			made.State, made.Said = "broken", "The key cannot be used: "+human.Cut(err.Error(), 200)+"."
			return made
		}
		made.Text, made.Parts, made.Weakness = facts.Record, inParts(facts.Record), facts.Weakness
	}
	if made.Text != "" && v.R.URL.Query().Get("check") == "dns" {
		made.State, made.Said = v.askDNS(made)
	}
	return made
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

// askDNS compares what is published with what should be.
func (v *visit) askDNS(want *dnsRecord) (kind, said string) {
	look := v.c.Tools.LookupTXT
	if look == nil {
		look = net.DefaultResolver.LookupTXT
	}
	ctx, cancel := context.WithTimeout(v.R.Context(), 8*time.Second)
	defer cancel()
	found, err := look(ctx, want.Name)
	if gone, ok := errors.AsType[*net.DNSError](err); ok && gone.IsNotFound || err == nil && len(found) == 0 {
		return "offline", "The DNS has no record of this name. Publish it; it may take a while until it is seen everywhere."
	}
	if err != nil {
		return "broken", "The DNS did not answer: " + human.Cut(err.Error(), 200) + ". Try again in a minute."
	}
	for _, record := range found {
		if keyTag(record, "p") != keyTag(want.Text, "p") {
			continue
		}
		if hashes := keyTag(record, "h"); hashes != "" && !slices.Contains(strings.Split(hashes, ":"), "sha256") {
			return "broken", "The DNS has this key, but its tag h forbids sha256, which mail is signed with (SHA-1 is broken, " +
				"and receivers ignore it): signatures do not hold. Take the tag out."
		}
		return "ok", "The DNS has this key."
	}
	return "offline", "The DNS has another key under this name: signatures do not hold. It says: " + human.Cut(found[0], 200)
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
