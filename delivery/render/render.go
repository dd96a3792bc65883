package render

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"sync"

	"github.com/sluicemail/sluice/delivery/render/part"
	"github.com/sluicemail/sluice/delivery/render/template"
	"github.com/sluicemail/sluice/queue"
)

// Renderer makes mails. Its zero value is ready; its fields are set before the first mail. Methods are safe for
// concurrent use.
type Renderer struct {
	// Logger is told of modifiers that do not exist, each once; nil means slog.Default.
	Logger *slog.Logger
	// MaxMail is how long a mail may be that is changed, in bytes; zero means 64 MiB.
	MaxMail int64
	// Templates keeps what was compiled; its zero value keeps 64 MiB.
	Templates template.Cache

	mu      sync.Mutex
	unknown map[string]bool // modifiers that the log has
}

// Needed reports whether a message has a property that Render does something about.
func Needed(m *queue.Message) bool { return m.Data != nil || m.InlineCSS }

// Render returns the mail of a message as its properties ask for. body is what the message has for a mail; it is not
// changed, and returned itself when there is nothing to do, or when a step failed and the message is to be sent all the
// same (force). An error is an *Error, or one of reading body.
func (r *Renderer) Render(ctx context.Context, m *queue.Message, body queue.Body) (queue.Body, error) {
	mail, err := r.read(m, body)
	if err != nil {
		return nil, err
	}
	made, err := r.steps(ctx, m, mail)
	if e, ours := err.(*Error); ours && m.Force && !e.Temporary {
		r.log().Warn("mail sent as it is, as force says", "id", m.ID, "error", e)
		return body, nil
	}
	if err != nil {
		return nil, err
	}
	return queue.Bytes(made), nil
}

func (r *Renderer) steps(_ context.Context, m *queue.Message, mail []byte) ([]byte, error) {
	var err error
	if m.Data != nil {
		if mail, err = r.personalise(m, mail); err != nil {
			return nil, err
		}
	}
	return mail, nil
}

func (r *Renderer) read(m *queue.Message, body queue.Body) ([]byte, error) {
	limit := r.MaxMail
	if limit <= 0 {
		limit = 64 << 20
	}
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

// personalise fills the values of data into the texts of a mail.
func (r *Renderer) personalise(m *queue.Message, mail []byte) ([]byte, error) {
	fail := func(name string, err error) error { return failure(queue.StatePersonalize, name, err) }
	data, err := template.ParseData(m.Data)
	if err != nil {
		return nil, fail("", err)
	}
	data.Set("envelope", m.Envelope)
	data.Set("recipient", m.Recipient)
	parts, err := part.Parse(mail)
	if err != nil {
		return nil, fail("", err)
	}
	defer parts.Close()
	printed := buffers.Get().(*[]byte)
	defer putBuffer(printed)
	for _, text := range parts.Texts() {
		if err := r.fill(printed, text, data); err != nil {
			return nil, fail(text.Name, err)
		}
	}
	if !parts.Changed() {
		return mail, nil
	}
	return parts.Append(nil), nil
}

// buffers hold what is printed until the mail is put together.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// largestBuffer is how large a buffer may be that is kept for the next mail.
const largestBuffer = 1 << 20

func putBuffer(b *[]byte) {
	if cap(*b) <= largestBuffer {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}

// fill has a text printed with data, into a buffer behind what is there.
func (r *Renderer) fill(printed *[]byte, text *part.Text, data *template.Data) error {
	old, err := text.Decode()
	if err != nil {
		return err
	}
	compiled, err := r.Templates.Compile(old)
	if err != nil {
		return err
	}
	if len(compiled.Unknown()) > 0 {
		r.tell(compiled.Unknown(), text.Name)
	}
	if compiled.Plain() {
		return nil
	}
	var print func([]byte, string) []byte
	if text.Kind == part.Addresses {
		print = part.Protect
	}
	from := len(*printed)
	*printed, err = compiled.AppendWith(slices.Grow(*printed, len(old)+len(old)/8), data, print)
	if err != nil {
		return err
	}
	return text.Set((*printed)[from:])
}

// mostUnknown is how many names of modifiers that do not exist the log is told at most.
const mostUnknown = 100

// tell has the log know modifiers that do not exist.
func (r *Renderer) tell(names []string, where string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range names {
		if r.unknown[name] || len(r.unknown) >= mostUnknown {
			continue
		}
		if r.unknown == nil {
			r.unknown = make(map[string]bool)
		}
		r.unknown[name] = true
		r.log().Warn("a template has a modifier that does not exist: it has no effect", "modifier", name, "part", where)
	}
}
