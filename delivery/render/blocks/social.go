package blocks

import (
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/internal/jsontree"
)

// icon is a link to a platform.
type icon struct {
	platform   platform
	link       string
	attributes *jsontree.Node
}

// shapes are the radii of the types of icons.
var shapes = map[string]string{"rounded": "50%", "roundedcorners": "20%", "rectangular": "0", "leaf": "0 50% 0 50%",
	"waterdrop": "0 50% 50% 50%", "flower": "40%", "polygon": "30%", "glossy": "25%", "grey": "50%"}

// icons writes a label, and icons side by side. An icon is a letter on a colour, which every client shows.
func (r *renderer) icons(n *jsontree.Node, s scope, label string, all []icon) {
	if n.Err() != nil {
		return
	}
	look := n.Object("icon")
	kind := choice(look, "type", "rounded", "roundedcorners", "rectangular", "leaf", "waterdrop", "flower", "polygon",
		"glossy", "grey")
	size := max(16, min(pixels(look, "size", 32), 128))
	align := choice(n, "align", "left", "center", "right")
	if label != "" {
		f := s.font.with(n)
		r.open(f.apply(tag("div"), s.background).style("text-align", align).style("padding", "0 0 8px"))
		r.write(escape(label), "</div>")
	}
	r.open(table().attr("align", align).style("border-collapse", "separate"))
	r.write("<tr>")
	side := strconv.Itoa(size) + "px"
	for _, i := range all {
		paint := i.platform.color
		if kind == "grey" {
			paint = "#666666"
		}
		r.write(`<td style="padding:0 8px 0 0">`)
		r.open(tag("a").attr("href", i.link).attr("title", i.platform.name).attr("aria-label", i.platform.name).
			attr("target", "_blank").customAttributes(i.attributes).style("display", "inline-block").style("width", side).
			style("height", side).style("line-height", side).style("border-radius", shapes[kind]).
			style("background-color", paint).style("color", "#ffffff").style("font-family", s.font.family).
			style("font-size", strconv.Itoa(size*7/16)+"px").style("font-weight", "bold").style("text-align", "center").
			style("text-decoration", "none"))
		r.write(escape(i.platform.glyph), "</a></td>")
	}
	r.write("</tr></table>")
}

// follow writes links to where a sender can be followed (ResponsiveEmail, block-follow).
func (r *renderer) follow(n *jsontree.Node, s scope) {
	list := n.Object("platforms")
	if list == nil {
		if n.Err() == nil {
			n.Fail(&Error{Want: `an object "platforms" in it`})
		}
		return
	}
	var all []icon
	for _, item := range list.Items {
		p, ok := findPlatform(item.Key)
		if !ok {
			item.Fail(&Error{Want: "the name of a platform, such as facebook or linkedin"})
			return
		}
		i := icon{platform: p, attributes: n.Object(item.Key).Object("attributes")}
		at, key := n.Get("platforms"), item.Key
		if item.Is(jsontree.Object) {
			at, key = item, first(item, "identifier", "url")
			i.attributes = item.Object("attributes")
		}
		if i.link = p.user(at, key); i.link != "" {
			all = append(all, i)
		}
	}
	r.icons(n, s, n.String("label"), all)
}

// user returns the address of a user, who is named by it or by a name.
func (p platform) user(n *jsontree.Node, key string) string {
	text := strings.TrimSpace(n.String(key))
	if strings.Contains(text, "/") || strings.Contains(text, ":") || text == "" {
		return linkAddress(n, key)
	}
	if p.follow == "" {
		n.Get(key).Expected("an address, such as https://example.com/")
		return ""
	}
	return p.follow + spaceless(strings.TrimPrefix(text, "@"))
}

// share writes links that share an address (ResponsiveEmail, block-share).
func (r *renderer) share(n *jsontree.Node, s scope) {
	l := readLink(n, "link")
	if l.url == "" {
		if n.Err() == nil {
			n.Fail(&Error{Want: `a "link" to share in it`})
		}
		return
	}
	var all []icon
	for _, item := range n.Array("platforms") {
		p, ok := findPlatform(item.Text)
		if !ok || p.share == "" || !item.Is(jsontree.String) {
			item.Expected("the name of a platform that can share, such as facebook or linkedin")
			return
		}
		own := n.Object(item.Text)
		all = append(all, icon{p, p.shareLink(n, l, own), own.Object("attributes")})
	}
	r.icons(n, s, n.String("label"), all)
}

func (p platform) shareLink(n *jsontree.Node, l hyperlink, own *jsontree.Node) string {
	text := or(n.String("description"), l.title)
	at := p.share
	if p.name == "E-mail" {
		at = addParam(at, "subject", or(l.title, text))
		return strings.ReplaceAll(addParam(at, "body", strings.TrimSpace(text+"\n"+l.url)), "+", "%20")
	}
	if p.name == "Facebook" && own.String("appid") != "" {
		at = addParam("https://www.facebook.com/dialog/share", "app_id", own.String("appid"))
		at = addParam(addParam(at, "href", l.url), "display", "page")
		if back := own.String("redirect_uri"); back != "" {
			at = addParam(at, "redirect_uri", back)
		}
		return at
	}
	at = addParam(at, p.url, l.url)
	if p.text != "" && text != "" {
		at = addParam(at, p.text, text)
	}
	if p.name == "Twitter" {
		var tags []string
		for _, item := range own.Array("hashtags") {
			tags = append(tags, strings.TrimPrefix(item.Text, "#"))
		}
		if tags != nil {
			at = addParam(at, "hashtags", strings.Join(tags, ","))
		}
		if via := own.String("via"); via != "" {
			at = addParam(at, "via", strings.TrimPrefix(via, "@"))
		}
	}
	return at
}
