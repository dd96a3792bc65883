package mailview

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"golang.org/x/net/html"
)

// PagePolicy returns the Content-Security-Policy for a response with [View.Page]. It forbids scripts, forms, frames,
// fonts, and everything remote; with remote, images over https are let through.
func PagePolicy(remote bool) string {
	images := "data:"
	if remote {
		images += " https:"
	}
	return "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src " + images +
		"; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
}

// Page returns an HTML document that shows the HTML of the mail, harmless. With remote it has the images that the mail
// would load over https; without, a frame in their place. It is "" when the mail has no HTML.
func (v *View) Page(remote bool) string {
	if v.HTML == "" {
		return ""
	}
	p := policy(remote)
	body := p.Sanitize(v.embed(v.HTML, remote))
	return `<!doctype html><html><head><meta charset="utf-8"><meta name="referrer" content="no-referrer"><title></title></head><body>` + body + `</body></html>`
}

// Remote reports whether the HTML wants to load images from elsewhere: such as can be shown, by https, and others.
func (v *View) Remote() (shown, refused bool) {
	walkImages(v.HTML, func(src string) string {
		scheme, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(src)), ":")
		shown, refused = shown || scheme == "https", refused || scheme == "http"
		return src
	})
	return shown, refused
}

// embed puts the mail's own images in the place of the references to them, and takes the addresses of remote ones out
// unless they are wanted.
func (v *View) embed(text string, remote bool) string {
	return walkImages(text, func(src string) string {
		src = strings.TrimSpace(src)
		scheme, rest, _ := strings.Cut(src, ":")
		switch strings.ToLower(scheme) {
		case "cid":
			id, err := url.PathUnescape(rest)
			if err != nil {
				id = rest
			}
			if i, ok := v.images[id]; ok {
				return "data:" + i.mediaType + ";base64," + base64.StdEncoding.EncodeToString(i.data)
			}
		case "data":
			return src
		case "https":
			if remote {
				return src
			}
		}
		return ""
	})
}

// walkImages replaces the address of each image in a piece of HTML by what f makes of it.
func walkImages(text string, f func(src string) string) string {
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(text))
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			return b.String()
		}
		raw := string(z.Raw())
		if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
			b.WriteString(raw)
			continue
		}
		token := z.Token()
		if token.Data != "img" {
			b.WriteString(raw)
			continue
		}
		for i := range token.Attr {
			if a := &token.Attr[i]; a.Key == "src" {
				a.Val = f(a.Val)
			}
		}
		b.WriteString(token.String())
	}
}

var (
	size   = regexp.MustCompile(`^[0-9]{1,4}(px|%)?$`)
	colour = regexp.MustCompile(`^(#[0-9a-fA-F]{3,8}|[a-zA-Z]{3,20}|rgba?\([0-9., %]{1,40}\))$`)
	length = regexp.MustCompile(`^(-?[0-9.]{1,8}(px|em|rem|pt|%)?|auto|normal|inherit)( -?[0-9.]{1,8}(px|em|rem|pt|%)?| auto){0,3}$`)
	word   = regexp.MustCompile(`^[a-zA-Z0-9 ,'"-]{1,200}$`)
	border = regexp.MustCompile(`^[a-zA-Z0-9 #.%-]{1,60}$`)
	pixels = regexp.MustCompile(`^data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*$`)
)

// policy lists what may stay of a mail's HTML.
func policy(remote bool) *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "hr", "div", "span", "b", "strong", "i", "em", "u", "s", "strike", "small", "big", "sub",
		"sup", "blockquote", "pre", "code", "tt",
		"h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "dl", "dt", "dd", "center", "font", "table", "thead", "tbody",
		"tfoot", "tr", "td", "th", "caption",
		"col", "colgroup", "a", "img", "abbr", "address", "article", "section", "header", "footer", "figure", "figcaption")
	p.AllowAttrs("width", "height", "cellpadding", "cellspacing", "border", "colspan", "rowspan",
		"size").Matching(size).Globally()
	p.AllowAttrs("align", "valign").Matching(bluemonday.CellAlign).Globally()
	p.AllowAttrs("bgcolor", "color").Matching(colour).Globally()
	p.AllowAttrs("face").Matching(word).OnElements("font")
	p.AllowAttrs("dir").Matching(bluemonday.Direction).Globally()
	p.AllowAttrs("alt", "title").Globally()
	p.AllowAttrs("src").Matching(pixels).OnElements("img")
	if remote {
		p.AllowAttrs("src").Matching(regexp.MustCompile(`^(https://[^\s"'<>]+|data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*)$`)).OnElements("img")
	}
	p.AllowDataURIImages()
	p.AllowAttrs("href").OnElements("a")
	p.AllowURLSchemes("https", "http", "mailto")
	p.RequireParseableURLs(true)
	p.RequireNoFollowOnLinks(true)
	p.RequireNoReferrerOnLinks(true)
	p.AddTargetBlankToFullyQualifiedLinks(true)
	p.AllowStyles("color", "background-color", "border-color").Matching(colour).Globally()
	p.AllowStyles("margin", "margin-top", "margin-right", "margin-bottom", "margin-left", "padding", "padding-top",
		"padding-right", "padding-bottom",
		"padding-left", "width", "max-width", "height", "font-size", "line-height", "letter-spacing", "text-indent",
		"border-radius", "border-spacing").Matching(length).Globally()
	p.AllowStyles("font-family", "font-weight", "font-style", "text-align", "text-decoration", "text-transform",
		"vertical-align", "white-space", "list-style-type", "border-collapse").Matching(word).Globally()
	p.AllowStyles("border", "border-top", "border-right", "border-bottom", "border-left", "border-width",
		"border-style").Matching(border).Globally()
	return p
}
