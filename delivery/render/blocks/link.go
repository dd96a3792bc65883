package blocks

import (
	"net/url"
	"strings"

	"github.com/sluicemail/sluice/internal/jsontree"
	"github.com/sluicemail/sluice/internal/tagmask"
)

// hyperlink is where something leads (ResponsiveEmail, property-link).
type hyperlink struct {
	url, title string
	attributes *jsontree.Node
}

// readLink reads a property that is an address, or an object.
func readLink(n *jsontree.Node, key string) hyperlink {
	item := n.Get(key)
	if !item.Is(jsontree.Object) {
		return hyperlink{url: linkAddress(n, key)}
	}
	l := hyperlink{url: linkAddress(item, "url"), title: oneLine(item.String("title")), attributes: item.Object("attributes")}
	if params := item.Object("params"); params != nil && l.url != "" {
		for _, p := range params.Items {
			value, ok := scalar(p)
			if !ok {
				p.Expected("a string")
			}
			l.url = addParam(l.url, p.Key, value)
		}
	}
	return l
}

// anchor returns the <a>, with what the member a of a block says of it.
func (l hyperlink) anchor(n *jsontree.Node) *element {
	return tag("a").attr("href", l.url).attr("title", l.title).attr("target", "_blank").customAttributes(l.attributes).
		custom(n.Object("a"))
}

// linkAddress returns a property that is an address to go to.
func linkAddress(n *jsontree.Node, key string) string {
	return address(n, key, "http", "https", "mailto", "tel", "sms", "ftp", "ftps", "xmpp", "cid")
}

// imageAddress returns a property that is the address of an image, and counts it.
func (r *renderer) imageAddress(n *jsontree.Node, key string) string {
	at := address(n, key, "http", "https", "cid")
	if at != "" && key != "pixel" {
		r.images++
	}
	return at
}

// address returns a property that is an address of one of some schemes, or has none, such as #top or a tag.
func address(n *jsontree.Node, key string, schemes ...string) string {
	text := strings.Join(strings.FieldsFunc(n.String(key), func(c rune) bool { return c < ' ' || c == 0x7f }), "")
	text = strings.TrimSpace(text)
	masked, _ := tagmask.Mask(text)
	scheme, _, found := strings.Cut(masked, ":")
	if !found || strings.ContainsAny(scheme, "/?#") || tagmask.Masked(scheme) {
		return tagmask.Between(text, spaceless)
	}
	for _, s := range schemes {
		if strings.EqualFold(scheme, s) {
			return tagmask.Between(text, spaceless)
		}
	}
	n.Get(key).Expected("an address that begins with %s:", strings.Join(schemes, ":, "))
	return ""
}

func spaceless(s string) string { return strings.ReplaceAll(s, " ", "%20") }

// addParam adds a parameter to an address, in the place of one of the same name. All but tags is encoded.
func addParam(at, name, value string) string {
	at, fragment, hasFragment := cutOutside(at, '#')
	path, query, _ := cutOutside(at, '?')
	name = tagmask.Between(name, url.QueryEscape)
	var params []string
	for p := range strings.SplitSeq(query, "&") {
		if key, _, _ := strings.Cut(p, "="); p != "" && key != name {
			params = append(params, p)
		}
	}
	at = path + "?" + strings.Join(append(params, name+"="+tagmask.Between(value, url.QueryEscape)), "&")
	if hasFragment {
		at += "#" + fragment
	}
	return at
}

// cutOutside is strings.Cut at a character that is not within a tag.
func cutOutside(s string, at byte) (before, after string, found bool) {
	masked, tags := tagmask.Mask(s)
	before, after, found = strings.Cut(masked, string(at))
	return tags.Restore(before), tags.Restore(after), found
}
