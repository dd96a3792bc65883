package object

import (
	"cmp"
	"encoding/base64"
	"mime"
	"path"
	"strings"

	"github.com/sluicemail/sluice/delivery/render/fetch"
	"github.com/sluicemail/sluice/internal/human"
	"github.com/sluicemail/sluice/internal/jsontree"
)

// attachment is a file in a mail.
type attachment struct {
	name   string
	kind   string // media type, with parameters
	cid    string // without angle brackets; "": none
	inline bool   // shown where the HTML has its cid
	data   []byte
}

const maxAttachments = 100

// attachments reads and downloads what is attached.
func (b *builder) attachments() (all []attachment) {
	list := b.root.Array("attachments")
	if len(list) > maxAttachments {
		b.root.Get("attachments").Fail(&Error{Want: "at most 100 attachments"})
		return nil
	}
	for _, n := range list {
		if !n.Is(jsontree.Object) {
			n.Expected("an object")
			continue
		}
		if b.root.Err() != nil || b.err != nil {
			return nil // nothing is downloaded for a mail that cannot be made
		}
		if a, ok := b.attachment(n); ok {
			all = append(all, a)
		}
	}
	return all
}

func (b *builder) attachment(n *jsontree.Node) (attachment, bool) {
	a := attachment{name: n.String("name"), kind: n.String("type"), cid: n.String("cid"), inline: n.Bool("inline")}
	a.cid = strings.TrimSuffix(strings.TrimPrefix(a.cid, "<"), ">")
	if a.cid != "" {
		a.inline = true
		if strings.ContainsFunc(a.cid, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("<>", r) }) ||
			len(a.cid) > 200 {
			n.Get("cid").Expected("printable ASCII without spaces and angle brackets")
		}
	}
	data, address := n.Get("data"), n.Get("url")
	switch {
	case data != nil && address != nil:
		n.Fail(&Error{Want: "data or url, not both"})
		return a, false
	case data != nil:
		if !b.decode(&a, n) {
			return a, false
		}
	case address != nil:
		if !b.download(&a, n) {
			return a, false
		}
	default:
		n.Fail(&Error{Want: "data in base64, or a url"})
		return a, false
	}
	a.name = fileName(a.name)
	a.kind = fileType(a.kind, a.name)
	return a, b.spend(n, len(a.data)*4/3)
}

// decode reads data, which may have white space, and lack the padding at its end.
func (b *builder) decode(a *attachment, n *jsontree.Node) bool {
	text := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n=", r) {
			return -1
		}
		return r
	}, n.String("data"))
	var err error
	if a.data, err = base64.RawStdEncoding.DecodeString(text); err != nil {
		n.Get("data").Fail(&Error{Want: "base64", Err: err})
	}
	return err == nil
}

// download fetches a file. The server knows its type best, the object its name.
func (b *builder) download(a *attachment, n *jsontree.Node) bool {
	at := n.Get("url")
	if !at.Is(jsontree.String) {
		at.Expected("a string")
		return false
	}
	file, err := b.fetch(at.Text)
	if err != nil {
		at.Fail(&Error{Err: err})
		return false
	}
	a.data, a.name, a.kind = file.Data, cmp.Or(a.name, file.Name), cmp.Or(file.Type, a.kind)
	return true
}

func (b *builder) fetch(address string) (*fetch.File, error) {
	if b.opts.Fetcher == nil {
		return nil, &fetch.Error{URL: "this address", Reason: "downloads are not allowed"}
	}
	return b.opts.Fetcher.Fetch(b.ctx, address)
}

// fileName returns a name without a path and control characters.
func fileName(s string) string {
	s = oneLine(path.Base(strings.ReplaceAll(s, `\`, "/")))
	if s == "." || s == "/" || s == ".." {
		return "attachment"
	}
	if ext := path.Ext(s); len(s) > 200 && len(ext) < 20 {
		s = strings.ToValidUTF8(s[:200-len(ext)], "") + ext
	}
	return strings.TrimSpace(human.Cut(s, 200))
}

// fileType returns a media type that a part in base64 may have: such parts are never messages or made of parts (RFC
// 2046 §5). Without one it follows from the name.
func fileType(stated, name string) string {
	if stated == "" {
		stated = mime.TypeByExtension(path.Ext(name))
	}
	kind, params, err := mime.ParseMediaType(stated)
	if err != nil || strings.HasPrefix(kind, "multipart/") || strings.HasPrefix(kind, "message/") ||
		!strings.Contains(kind, "/") {
		return "application/octet-stream"
	}
	return cmp.Or(mime.FormatMediaType(kind, params), "application/octet-stream")
}
