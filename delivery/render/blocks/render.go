package blocks

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/sluicemail/sluice/delivery/render/fetch"
	"github.com/sluicemail/sluice/internal/jsontree"
)

// Fetcher downloads. A *fetch.Client is one.
type Fetcher interface {
	Fetch(ctx context.Context, address string) (*fetch.File, error)
}

// Options say what the object does not. The zero value works.
type Options struct {
	// Fetcher is asked for what has an address; nil: downloads are refused.
	Fetcher Fetcher
	// Language is the language of the text, such as en-GB, where the object has no property lang; "": en.
	Language string
}

// Error names what is wrong with an object by a JSON pointer into it. It wraps a *fetch.Error when that is a download.
type Error = jsontree.Error

// Limits of a mail.
const (
	maxBlocks  = 10_000
	maxFetches = 100
	maxNested  = 20       // containers in containers
	maxHTML    = 16 << 20 // bytes
)

// width is that of the content, in pixels.
const width = 580

// Render makes an HTML document of the blocks of a mime object: of its property content, and of subject, font,
// background, css, attributes, lang and tracking beside that. An error is an *Error.
func Render(ctx context.Context, mime json.RawMessage, opts Options) (html string, err error) {
	root, err := jsontree.Parse(mime, "")
	if err != nil {
		return "", err
	}
	if root.Kind != jsontree.Object {
		return "", &Error{Want: "an object", Got: root.Kind.String()}
	}
	return RenderTree(ctx, root, opts)
}

// RenderTree is Render of an object that was read already. What is wrong with it is told to its tree as well.
func RenderTree(ctx context.Context, root *jsontree.Node, opts Options) (html string, err error) {
	r := &renderer{ctx: ctx, opts: opts}
	r.document(root)
	if r.err == nil && r.b.Len() > maxHTML {
		r.err = &Error{Want: "blocks that make at most 16 MiB of HTML"}
	}
	if err := root.Err(); err != nil {
		return "", err
	}
	if r.err != nil {
		return "", r.err
	}
	return r.b.String(), nil
}

// renderer is a document that grows. Problems are told to the tree that a node is in; err has those of imported trees.
type renderer struct {
	ctx     context.Context
	opts    Options
	b       strings.Builder
	err     error
	blocks  int
	fetches int
	images  int
}

// scope is what a block finds where it stands.
type scope struct {
	width      int // in pixels
	font       font
	background string // colour
	nested     int    // containers around it
	inColumns  bool
}

func (r *renderer) write(texts ...string) {
	for _, s := range texts {
		r.b.WriteString(s)
	}
}

// open writes an opening tag.
func (r *renderer) open(e *element) { r.write(e.String()) }

// stopped reports whether a problem was found, so that nothing more has to be done.
func (r *renderer) stopped(n *jsontree.Node) bool {
	return r.err != nil || n.Err() != nil || r.b.Len() > maxHTML
}

// sheet is what cannot be said in attributes. Screens are narrow below 480 pixels.
const sheet = `
body,table,td,a{-webkit-text-size-adjust:100%;-ms-text-size-adjust:100%}
img{-ms-interpolation-mode:bicubic;max-width:100%}
.on a{color:inherit}
@media only screen and (max-width:479px){
.column{display:block!important;width:100%!important;box-sizing:border-box!important}
.desktop{display:none!important}
.mobile{display:table-row!important}
}
`

// document writes all of it.
func (r *renderer) document(root *jsontree.Node) {
	content := root.Object("content")
	if content == nil {
		content = root // which may have blocks itself
	}
	outer := or(background(root), "#ffffff")
	inner := outer
	if content != root {
		inner = or(background(content), outer)
	}
	s := scope{width: width, font: firstFont.with(root), background: inner}
	language := or(root.String("lang"), or(r.opts.Language, "en"))

	r.write("<!DOCTYPE html>\n")
	r.open(tag("html").attr("lang", language))
	r.write("<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n",
		"<meta name=\"color-scheme\" content=\"light\">\n<meta name=\"supported-color-schemes\" content=\"light\">\n",
		"<title>", escape(oneLine(root.String("subject"))), "</title>\n<style>", sheet, "</style>\n</head>\n")
	r.open(tag("body").style("margin", "0").style("padding", "0").style("background-color", outer))
	r.write("\n")
	r.open(table().attr("width", "100%").attr("bgcolor", outer).style("background-color", outer).
		style("border-collapse", "collapse").custom(root))
	r.write("<tr><td align=\"center\" style=\"padding:0\">\n<!--[if mso]><table role=\"presentation\" width=\"580\" align=\"center\" ",
		"cellpadding=\"0\" cellspacing=\"0\" border=\"0\"><tr><td><![endif]-->\n")
	r.open(table().attr("width", "100%").attr("align", "center").style("width", "100%").style("max-width", "580px").
		style("margin", "0 auto").style("border-collapse", "collapse"))
	r.write("<tr>")
	cell := tag("td").attr("bgcolor", inner).style("padding", "0").style("background-color", inner).
		style("overflow-wrap", "anywhere").style("word-break", "break-word") // no word makes a mail wider than a screen
	if content != root {
		cell.custom(content)
	}
	r.open(s.font.apply(cell, inner))
	r.write("\n")
	r.stack(content.Array("blocks"), s)
	r.pixel(root.Object("tracking"))
	r.write("</td></tr></table>\n<!--[if mso]></td></tr></table><![endif]-->\n</td></tr></table>\n</body>\n</html>\n")
}

// pixel writes the image that tells when a mail is opened, unless others can (ResponsiveEmail, property-pixel).
func (r *renderer) pixel(tracking *jsontree.Node) {
	at := r.imageAddress(tracking, "pixel")
	if at == "" || r.images > 0 && !tracking.Bool("force") {
		return
	}
	r.open(tag("img").attr("src", at).empty("alt", "").attr("width", "1").attr("height", "1").style("display", "block"))
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
