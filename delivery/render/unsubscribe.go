package render

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"

	"github.com/sluicemail/sluice/delivery/edit"
	"github.com/sluicemail/sluice/queue"
)

// unsubscribing is the property list-unsubscribe: where a recipient asks for no more mail. A text stands for URL or
// Mailto.
type unsubscribing struct {
	URL      string `json:"url"`       // https or http
	Mailto   string `json:"mailto"`    // an address, or a mailto: URL
	OneClick bool   `json:"one-click"` // a POST to URL is enough (RFC 8058); it has to be https
}

// unsubscribe adds the fields List-Unsubscribe (RFC 2369 §3.2) and, where it was asked for, List-Unsubscribe-Post (RFC
// 8058 §3.1), in the place of any that the mail has. Signatures cover both.
func (r *Renderer) unsubscribe(m *queue.Message, mail []byte) ([]byte, error) {
	fail := func(err error) error { return failure(queue.StateProcess, "list-unsubscribe", err) }
	u, err := parseUnsubscribing(m.Unsubscribe)
	if err != nil {
		return nil, fail(err)
	}
	if m.Data != nil {
		if err := r.fillAddresses(m, u); err != nil {
			return nil, fail(err)
		}
	}
	if u.URL == "" && u.Mailto == "" && r.Unsubscribe != nil {
		u.Mailto, u.URL = r.Unsubscribe(m)
		u.OneClick = u.URL != ""
	}
	edits, err := u.edits()
	if err != nil {
		return nil, fail(err)
	}
	body, err := edit.Apply(queue.Bytes(mail), edits)
	if err != nil {
		return nil, fail(err)
	}
	return queue.ReadBody(body)
}

// UnsubscribeFields are the edits that give a mail the fields of these addresses, "" for what there is not. A POST to
// the URL is enough.
func UnsubscribeFields(mailto, url string) (*queue.HeaderEdits, error) {
	u := unsubscribing{URL: url, Mailto: mailto, OneClick: url != ""}
	return u.edits()
}

// edits give a mail the fields.
func (u *unsubscribing) edits() (*queue.HeaderEdits, error) {
	value, err := u.value()
	if err != nil {
		return nil, err
	}
	edits := &queue.HeaderEdits{Replace: []queue.Field{{Name: "List-Unsubscribe", Value: value}}}
	if u.OneClick {
		post := queue.Field{Name: "List-Unsubscribe-Post", Value: "List-Unsubscribe=One-Click"}
		edits.Replace = append(edits.Replace, post)
	} else {
		edits.Remove = []string{"List-Unsubscribe-Post"}
	}
	return edits, nil
}

func parseUnsubscribing(raw json.RawMessage) (*unsubscribing, error) {
	u := new(unsubscribing)
	var text string
	if json.Unmarshal(raw, &text) == nil {
		if u.URL = text; strings.HasPrefix(strings.ToLower(text), "mailto:") {
			u.URL, u.Mailto = "", text
		}
		return u, nil
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	if err := d.Decode(u); err != nil {
		return nil, errors.New("expected a URL, or an object with url, mailto and one-click: " +
			strings.TrimPrefix(err.Error(), "json: "))
	}
	return u, nil
}

// fillAddresses fills the values of data into the addresses.
func (r *Renderer) fillAddresses(m *queue.Message, u *unsubscribing) error {
	data, err := dataOf(m)
	if err != nil {
		return err
	}
	for _, text := range []*string{&u.URL, &u.Mailto} {
		compiled, err := r.templates.Compile([]byte(*text))
		if err != nil {
			return err
		}
		filled, err := compiled.Append(nil, data)
		if err != nil {
			return err
		}
		*text = string(filled)
	}
	return nil
}

// value is that of the field List-Unsubscribe.
func (u *unsubscribing) value() (string, error) {
	var all []string
	if u.Mailto != "" {
		if !strings.HasPrefix(strings.ToLower(u.Mailto), "mailto:") {
			u.Mailto = "mailto:" + u.Mailto
		}
		if err := checkAddress(u.Mailto, "mailto"); err != nil {
			return "", err
		}
		all = append(all, "<"+u.Mailto+">")
	}
	switch {
	case u.URL != "":
		if err := checkAddress(u.URL, "https", "http"); err != nil {
			return "", err
		}
		all = append(all, "<"+u.URL+">")
	case u.Mailto == "":
		return "", errors.New("expected a url or mailto, or verp to make one")
	}
	if u.OneClick && !strings.HasPrefix(strings.ToLower(u.URL), "https:") {
		return "", errors.New("one-click needs a url that begins with https:// (RFC 8058 §2)")
	}
	return strings.Join(all, ", "), nil
}

// longestAddress is how long an address may be: it has to fit on a line.
const longestAddress = 900

// checkAddress checks that a text is a URL with one of some schemes, and fits into a field between angle brackets.
func checkAddress(s string, schemes ...string) error {
	parsed, err := url.Parse(s)
	if err == nil {
		for _, scheme := range schemes {
			if parsed.Scheme == scheme && (parsed.Host != "" || parsed.Opaque != "") && isPlain(s) {
				return nil
			}
		}
	}
	return errors.New("expected a URL that begins with " + strings.Join(schemes, ": or ") +
		":, of printable ASCII without spaces and angle brackets, and of at most 900 characters")
}

func isPlain(s string) bool {
	return len(s) <= longestAddress && !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || c == '<' || c == '>' || c == '"'
	})
}
