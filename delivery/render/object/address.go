package object

import (
	"net/mail"
	"strings"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/jsontree"
	"github.com/sluicemail/sluice/internal/tagmask"
)

// address is one of a field. Both texts may have tags.
type address struct {
	name string // decoded; "": none
	addr string // with A-labels
}

// domain returns the domain of an address, "" when it has a tag.
func (a *address) domain() string {
	_, domain := addr.Split(a.addr)
	if masked, _ := tagmask.Mask(domain); tagmask.Masked(masked) {
		return ""
	}
	return domain
}

// addresses reads a property: a string, an object, or an array of these.
func (b *builder) addresses(property string) (all []address) {
	n := b.root.Get(property)
	if n.Is(jsontree.Array) {
		for _, item := range n.Items {
			all = append(all, readAddress(item)...)
		}
		return all
	}
	return readAddress(n)
}

func readAddress(n *jsontree.Node) []address {
	switch {
	case n == nil:
		return nil
	case n.Is(jsontree.String):
		return parseAddresses(n)
	case n.Is(jsontree.Object):
		a := address{name: oneLine(n.String("name"))}
		at := n.Get("address")
		if !at.Is(jsontree.String) {
			if at == nil {
				n.Fail(&Error{Want: `an "address" in it`})
			} else {
				at.Expected("an address")
			}
			return nil
		}
		var ok bool
		if a.addr, ok = fit(at.Text); !ok {
			at.Expected("an address such as joe@example.com")
		}
		return []address{a}
	}
	n.Expected(`an address, or an object with "name" and "address"`)
	return nil
}

// parseAddresses reads what a string has: "joe@example.com", "Joe <joe@example.com>", or several with commas.
func parseAddresses(n *jsontree.Node) []address {
	text := strings.TrimSpace(n.Text)
	if text == "" {
		return nil
	}
	if a, ok := fit(text); ok {
		return []address{{addr: a}}
	}
	masked, tags := tagmask.Mask(text)
	list, err := mail.ParseAddressList(masked)
	if strings.ContainsAny(text, "\r\n\x00") || err != nil && !strings.HasSuffix(masked, ">") {
		n.Expected("an address such as joe@example.com")
		return nil
	}
	var all []address
	for _, item := range list {
		a, ok := fit(tags.Restore(item.Address))
		if !ok {
			n.Expected("an address such as joe@example.com")
			return nil
		}
		all = append(all, address{oneLine(tags.Restore(item.Name)), a})
	}
	if err != nil { // such as Joe <{$email}>, which is none before it is personalised
		name, at, _ := strings.Cut(strings.TrimSuffix(masked, ">"), "<")
		a, ok := fit(tags.Restore(at))
		if !ok || strings.ContainsAny(name, "<>,") {
			n.Expected("an address such as joe@example.com")
			return nil
		}
		all = []address{{strings.Trim(oneLine(tags.Restore(name)), ` "`), a}}
	}
	return all
}

// fit returns an address as it is written: a domain beyond ASCII has A-labels (RFC 5890). One with tags is not looked
// at but for what could break a field.
func fit(text string) (string, bool) {
	masked, _ := tagmask.Mask(text)
	if tagmask.Masked(masked) {
		return text, len(text) < maxLine/2 && !strings.ContainsAny(masked, " \t\r\n\x00<>,;\"()") &&
			!strings.ContainsAny(text, "\r\n\x00")
	}
	local, domain, err := addr.Parse(text, addr.UTF8)
	if err != nil || strings.ContainsAny(local, " \t,;:()[]") && local[0] != '"' {
		return "", false
	}
	if !addr.IsASCII(domain) {
		if domain = addr.Fold(domain); !addr.IsASCII(domain) {
			return "", false
		}
	}
	return local + "@" + domain, true
}

// String returns an address as a field has it.
func (a *address) String() string {
	if a.name == "" {
		return a.addr
	}
	return phrase(a.name) + " <" + a.addr + ">"
}

// addAddresses adds a field, unless there are no addresses.
func (b *builder) addAddresses(name string, all []address) {
	if len(all) == 0 {
		return
	}
	var texts []string
	for i := range all {
		texts = append(texts, all[i].String())
	}
	b.add(name, strings.Join(texts, ", "))
}
