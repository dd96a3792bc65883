package object

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"mime"
	"mime/quotedprintable"
	"slices"
	"strconv"

	"github.com/emersion/go-message/textproto"

	"github.com/sluicemail/sluice/delivery/render/blocks"
	"github.com/sluicemail/sluice/internal/jsontree"
)

// part is a piece of a mail: content, or other parts.
type part struct {
	kind   string // media type, with parameters
	coding string // of the content
	fields []field
	data   []byte
	parts  []*part // not empty: multipart, with a boundary

	boundary string
}

// content makes the tree of parts.
func (b *builder) content() *part {
	html, hasHTML := b.html()
	text, hasText := b.text(html, hasHTML)
	var inline, attached []*part
	for _, a := range b.attachments() {
		if a.inline && hasHTML {
			inline = append(inline, a.part())
		} else {
			attached = append(attached, a.part())
		}
	}
	var top *part
	switch {
	case hasHTML:
		shown := together("related", append([]*part{textPart("html", html)}, inline...)...)
		top = together("alternative", textPart("plain", text), shown)
	case hasText || len(attached) == 0:
		top = textPart("plain", text)
	}
	if top != nil {
		attached = append([]*part{top}, attached...)
	}
	return together("mixed", attached...)
}

// html returns the HTML, and whether the mail has any.
func (b *builder) html() (string, bool) {
	content, html := b.root.Get("content"), b.root.Get("html")
	if content != nil && html != nil {
		html.Fail(&Error{Want: "no html beside content"})
		return "", false
	}
	var text string
	switch {
	case html != nil:
		text = b.root.String("html")
	case content.Is(jsontree.Object):
		text = b.blocks()
	case content != nil:
		text = b.root.String("content")
	case b.root.Get("blocks") != nil: // as some pages have it
		text = b.blocks()
	default:
		return "", false
	}
	b.spend(b.root, len(text))
	return text, true
}

// blocks returns the HTML of responsive blocks.
func (b *builder) blocks() string {
	html, err := blocks.RenderTree(b.ctx, b.root, blocks.Options{Fetcher: b.opts.Fetcher})
	if err != nil && b.err == nil {
		b.err = err
	}
	return html
}

// text returns the text, and whether the mail has any: its own, or that of the HTML.
func (b *builder) text(html string, hasHTML bool) (string, bool) {
	if b.root.Get("text") == nil && hasHTML {
		return plain(html), true
	}
	text := b.root.String("text")
	b.spend(b.root, len(text))
	return text, text != ""
}

func textPart(subtype, text string) *part {
	return &part{kind: "text/" + subtype + "; charset=utf-8", coding: "quoted-printable", data: []byte(text)}
}

// together returns one part as it is, and several as multipart.
func together(subtype string, parts ...*part) *part {
	if len(parts) == 1 {
		return parts[0]
	}
	return &part{kind: "multipart/" + subtype, parts: parts}
}

func (a *attachment) part() *part {
	disposition := "attachment"
	p := &part{kind: a.kind, coding: "base64", data: a.data}
	if a.inline {
		disposition = "inline"
	}
	if a.cid != "" {
		p.fields = append(p.fields, field{"Content-ID", "<" + a.cid + ">"})
	}
	value := mime.FormatMediaType(disposition, map[string]string{"filename": a.name})
	p.fields = append(p.fields, field{"Content-Disposition", value})
	return p
}

// write writes the mail.
func (b *builder) write(top *part) ([]byte, error) {
	sum := sha256.Sum256(b.raw)
	b.boundary = hex.EncodeToString(sum[:12])
	var out bytes.Buffer
	header := b.partHeader(top, append(b.fields, field{"MIME-Version", "1.0"}))
	err := textproto.WriteHeader(&out, header)
	if err == nil {
		err = b.fill(&out, top)
	}
	if err != nil {
		return nil, &Error{Want: "a mail that can be written", Err: err}
	}
	if !bytes.HasSuffix(out.Bytes(), []byte("\r\n")) {
		out.WriteString("\r\n") // a line of a mail has an end
	}
	return out.Bytes(), nil
}

// partHeader returns the header of a part, after some fields. Its boundary has "=_", which neither quoted-printable nor
// base64 can have (RFC 2045 §6.7).
func (b *builder) partHeader(p *part, fields []field) textproto.Header {
	kind := p.kind
	if p.parts != nil {
		b.multiparts++
		p.boundary = "=_" + b.boundary + "_" + strconv.Itoa(b.multiparts)
		kind = mime.FormatMediaType(p.kind, map[string]string{"boundary": p.boundary})
	}
	fields = append(fields, field{"Content-Type", kind})
	if p.coding != "" {
		fields = append(fields, field{"Content-Transfer-Encoding", p.coding})
	}
	fields = append(fields, p.fields...)
	var h textproto.Header
	for _, f := range slices.Backward(fields) { // each is added on top
		h.AddRaw(f.fold())
	}
	return h
}

// fill writes what comes after the header of a part.
func (b *builder) fill(out io.Writer, p *part) error {
	if p.parts == nil {
		return encode(out, p)
	}
	w := textproto.NewMultipartWriter(out)
	if err := w.SetBoundary(p.boundary); err != nil {
		return err
	}
	for _, child := range p.parts {
		inner, err := w.CreatePart(b.partHeader(child, nil))
		if err != nil {
			return err
		}
		if err := b.fill(inner, child); err != nil {
			return err
		}
	}
	return w.Close()
}

// encode writes content in its coding.
func encode(out io.Writer, p *part) error {
	if p.coding == "quoted-printable" {
		q := quotedprintable.NewWriter(out)
		if _, err := q.Write(p.data); err != nil {
			return err
		}
		return q.Close()
	}
	const most = 57 // bytes in a line of 76, RFC 2045 §6.8
	line := make([]byte, 0, 78)
	for piece := range slices.Chunk(p.data, most) {
		line = append(base64.StdEncoding.AppendEncode(line[:0], piece), "\r\n"...)
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return nil
}
