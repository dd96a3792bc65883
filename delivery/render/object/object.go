package object

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"strconv"
	"strings"
	"time"

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
	// Now is the clock of the field Date; nil: time.Now.
	Now func() time.Time
	// ID is the left side of the Message-ID, such as the id of the message in its queue. It is random when this is "",
	// or has more than letters, digits, dashes and underscores.
	ID string
	// Domain is the right side; "": the domain of From, or localhost.
	Domain string
	// MaxSize is the size of the largest mail, in bytes; zero means 50 MiB.
	MaxSize int64
}

// Error names what is wrong with an object by a JSON pointer into it. It wraps a *fetch.Error when that is a download.
type Error = jsontree.Error

// Build makes a mail of a mime object. Its lines end in CRLF. An error is an *Error.
func Build(ctx context.Context, mime json.RawMessage, opts Options) (mail []byte, err error) {
	root, err := jsontree.Parse(mime, "")
	if err != nil {
		return nil, err
	}
	if root.Kind != jsontree.Object {
		return nil, &Error{Want: "an object", Got: root.Kind.String()}
	}
	b := &builder{ctx: ctx, opts: opts, root: root, raw: mime, left: cmp.Or(opts.MaxSize, 50<<20)}
	b.header()
	top := b.content()
	if err := cmp.Or(root.Err(), b.err); err != nil {
		return nil, err
	}
	return b.write(top)
}

// builder is one object on its way to a mail. Problems are told to the tree of its root.
type builder struct {
	ctx    context.Context
	opts   Options
	root   *jsontree.Node
	raw    json.RawMessage
	left   int64 // bytes that the mail may still have
	fields []field
	err    error // of blocks; all else is told to the tree

	boundary   string // what the boundaries of this mail have in common
	multiparts int    // so far
}

// header makes the fields of the mail.
func (b *builder) header() {
	custom := b.customFields()
	given := make(map[string]bool)
	for _, f := range custom {
		given[strings.ToLower(f.name)] = true
	}
	from := b.addresses("from")
	b.addAddresses("From", from)
	if len(from) > 1 && !given["sender"] {
		b.addAddresses("Sender", from[:1]) // RFC 5322 §3.6.2
	}
	b.addAddresses("To", b.addresses("to"))
	b.addAddresses("Cc", b.addresses("cc"))
	b.addresses("bcc")
	for _, name := range properties["reply-to"] {
		if b.root.Get(name) != nil {
			b.addAddresses("Reply-To", b.addresses(name))
			break
		}
	}
	if subject := b.root.String("subject"); subject != "" {
		b.add("Subject", encodeText(subject))
	}
	if !given["date"] {
		b.add("Date", b.now().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	}
	if !given["message-id"] {
		b.add("Message-ID", b.messageID(from))
	}
	b.fields = append(b.fields, custom...)
}

func (b *builder) now() time.Time {
	if b.opts.Now != nil {
		return b.opts.Now()
	}
	return time.Now()
}

func (b *builder) messageID(from []address) string {
	domain := b.opts.Domain
	if len(from) > 0 {
		domain = cmp.Or(domain, from[0].domain())
	}
	id := b.opts.ID
	if !isID(id) {
		id = strconv.FormatInt(b.now().Unix(), 36) + "." + rand.Text()
	}
	return "<" + id + "@" + cmp.Or(domain, "localhost") + ">"
}

// isID reports whether a text can be the left side of a Message-ID.
func isID(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if !('a' <= c && c <= 'z') && !('0' <= s[i] && s[i] <= '9') && s[i] != '-' && s[i] != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 200
}

// spend counts bytes of the mail against its limit, and reports whether there is room for them.
func (b *builder) spend(n *jsontree.Node, size int) bool {
	if b.left -= int64(size); b.left < 0 {
		n.Fail(&Error{Want: "a mail of at most " + strconv.FormatInt(cmp.Or(b.opts.MaxSize, 50<<20), 10) + " bytes"})
		return false
	}
	return true
}
