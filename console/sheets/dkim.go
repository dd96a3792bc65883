package sheets

import (
	"cmp"
	"context"
	"errors"
	"strconv"
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

// keyData is what the page tells of a key beside its columns.
type keyData struct {
	*admin.Key
	Action string // address of the row
	Broken string // why nothing else can be told
}

// makeKey generates the private key, unless one was pasted.
func makeKey(v *visit, f *rowForm) error {
	kind := v.R.PostForm.Get("make")
	if v.R.PathValue("id") != "new" || kind != "rsa" && kind != "ed25519" {
		return nil
	}
	text, err := admin.NewPrivateKey(kind)
	f.values["privatekey"] = text
	return err
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
	if d.ID == 0 || v.c.Admin.Key == nil {
		return
	}
	ctx := v.R.Context()
	if v.R.URL.Query().Get("check") != "dns" { // a page is not to wait long for what nobody asked for
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Second)
		defer cancel()
	}
	key, err := v.c.Admin.DescribeKey(ctx, d.ID)
	d.Key = &keyData{Key: key, Action: d.Action}
	if err != nil {
		d.Key.Key, d.Key.Broken = &admin.Key{Name: d.Name}, human.Capital(err.Error())+"."
	}
}

// succeedKey makes the key that is to take the place of another, and shows what is to be published.
func succeedKey(v *visit) error {
	id, err := rowID(v)
	if err != nil {
		return err
	}
	made, err := v.c.Admin.SucceedKey(v.R.Context(), id, strings.TrimSpace(v.R.PostForm.Get("selector")), "")
	wrong, invalid := errors.AsType[*admin.Invalid](err)
	taken, conflict := errors.AsType[*admin.Conflict](err)
	switch {
	case invalid:
		return v.Redirect(keyPath(id), "No key was made: "+wrong.Error()+".")
	case conflict:
		return v.Redirect(keyPath(id), "No key was made: "+taken.Reason+".")
	case err != nil:
		return err
	}
	return v.Redirect(keyPath(made), "The new key is made. Publish its record; it signs as soon as the DNS has it.")
}

// useKey has a key take over.
func useKey(v *visit) error {
	return stepOfKey(v, v.c.Admin.UseKey, keyPath, "It has taken over: the old key signs no more.")
}

// withdrawKey ends what is left of a key that has signed.
func withdrawKey(v *visit) error {
	return stepOfKey(v, v.c.Admin.WithdrawKey, func(int64) string { return "/dkim" },
		"The key is withdrawn. Take its record out of the DNS as well.")
}

func stepOfKey(v *visit, do func(context.Context, int64) error, next func(int64) string, said string) error {
	id, err := rowID(v)
	if err != nil {
		return err
	}
	err = do(v.R.Context(), id)
	if refused, ok := errors.AsType[*admin.Conflict](err); ok {
		return v.Redirect(keyPath(id), "Nothing was changed: "+refused.Reason)
	}
	if err != nil {
		return err
	}
	return v.Redirect(next(id), said)
}

func keyPath(id int64) string { return "/dkim/" + strconv.FormatInt(id, 10) }
