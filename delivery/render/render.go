package render

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"

	"github.com/sluicemail/sluice/delivery/render/fetch"
	"github.com/sluicemail/sluice/delivery/render/inline"
	"github.com/sluicemail/sluice/delivery/render/object"
	"github.com/sluicemail/sluice/delivery/render/part"
	"github.com/sluicemail/sluice/delivery/render/template"
	"github.com/sluicemail/sluice/internal/textcache"
	"github.com/sluicemail/sluice/queue"
)

// Renderer makes mails. Its zero value is ready; its fields are set before the first mail. Methods are safe for
// concurrent use.
type Renderer struct {
	// Logger is told of modifiers that do not exist, each once; nil means slog.Default.
	Logger *slog.Logger
	// MaxMail is how long a mail may be that is changed, in bytes; zero means 64 MiB.
	MaxMail int64
	// Fetcher downloads what the object of a mail has addresses for; nil: downloads are refused.
	Fetcher object.Fetcher
	// Unsubscribe returns where the recipient of a message asks for no more mail when its property list-unsubscribe names
	// nothing: an address, and a URL that a POST to is enough; "" for what there is not. Nil: there is neither.
	Unsubscribe func(m *queue.Message) (mailto, url string)

	templates template.Cache
	campaigns textcache.Cache[*campaign]
	seen      seen
	inliner   inline.Inliner
	mu        sync.Mutex
	unknown   map[string]bool // modifiers that the log has
}

// Needed reports whether a message has a property that Render does something about.
func Needed(m *queue.Message) bool {
	return m.Data != nil || m.InlineCSS || m.Compose != nil || m.Unsubscribe != nil
}

// Render returns the mail of a message as its properties ask for. body is what the message has for a mail, nil when it
// is to be made of an object; it is not changed. A step that fails is left out when the message is to be sent all the
// same (force). An error is an *Error, or one of reading body.
func (r *Renderer) Render(ctx context.Context, m *queue.Message, body queue.Body) (queue.Body, error) {
	mail, err := r.begin(ctx, m, body)
	if err != nil {
		return nil, err
	}
	if m.Data != nil {
		if mail, err = r.step(m, mail, r.personalise); err != nil {
			return nil, err
		}
	}
	if m.Unsubscribe != nil {
		if mail, err = r.step(m, mail, r.unsubscribe); err != nil {
			return nil, err
		}
	}
	if m.InlineCSS {
		if mail, err = r.step(m, mail, r.inlineCSS); err != nil {
			return nil, err
		}
	}
	return queue.Bytes(mail), nil
}

// step does a step, or goes without it when force says so.
func (r *Renderer) step(m *queue.Message, mail []byte, do func(*queue.Message, []byte) ([]byte, error)) ([]byte,
	error) {
	made, err := do(m, mail)
	if err != nil && m.Force {
		r.log().Warn("a mail is sent as it is, as force says", "id", m.ID, "error", err)
		return mail, nil
	}
	return made, err
}

// begin returns the mail that the steps begin with.
func (r *Renderer) begin(ctx context.Context, m *queue.Message, body queue.Body) ([]byte, error) {
	if body == nil && m.Compose != nil {
		return r.compose(ctx, m)
	}
	return r.read(m, body)
}

// compose makes a mail of an object.
func (r *Renderer) compose(ctx context.Context, m *queue.Message) ([]byte, error) {
	mail, err := object.Build(ctx, m.Compose, object.Options{Fetcher: r.Fetcher, ID: m.ID, MaxSize: r.maxMail()})
	if err != nil {
		e := failure(queue.StateResponsive, "", err)
		if download, ok := errors.AsType[*fetch.Error](err); ok {
			e.Temporary = download.Temporary
		}
		return nil, e
	}
	return mail, nil
}

// inlineCSS moves the style sheets of the HTML parts into their tags.
func (r *Renderer) inlineCSS(_ *queue.Message, mail []byte) ([]byte, error) {
	fail := func(name string, err error) error { return failure(queue.StateResponsive, name, err) }
	parts, err := part.Parse(mail)
	if err != nil {
		return nil, fail("", err)
	}
	changes := parts.Change()
	defer changes.Close()
	for _, text := range parts.Texts() {
		if text.Kind != part.HTML {
			continue
		}
		old, err := text.Decode()
		if err != nil {
			return nil, fail(text.Name, err)
		}
		now, err := r.inliner.Inline(nil, old)
		if err == nil && !bytes.Equal(old, now) {
			err = changes.Set(text, now)
		}
		if err != nil {
			return nil, fail(text.Name, err)
		}
	}
	if !changes.Made() {
		return mail, nil
	}
	return changes.Append(nil), nil
}

func (r *Renderer) maxMail() int64 { return cmp.Or(r.MaxMail, 64<<20) }

func (r *Renderer) read(m *queue.Message, body queue.Body) ([]byte, error) {
	limit := r.maxMail()
	if body.Size() > limit {
		return nil, &Error{State: stateOf(m), Reason: "the mail is longer than " + strconv.FormatInt(limit, 10) +
			" bytes, and too long to be changed"}
	}
	return queue.ReadBody(body)
}

// stateOf is the first state that a message is in when it is rendered.
func stateOf(m *queue.Message) queue.ResultState {
	if m.Data != nil {
		return queue.StatePersonalize
	}
	return queue.StateResponsive
}

func (r *Renderer) log() *slog.Logger {
	if r.Logger == nil {
		return slog.Default()
	}
	return r.Logger
}
