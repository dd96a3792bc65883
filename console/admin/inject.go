package admin

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/internal/mailheader"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/once"
)

// What one injection may be.
const (
	// MostInjected is how many messages [Admin.Inject] takes at a time.
	MostInjected = 10_000
	mostProblems = 20 // are told
)

// Inject reads the JSON of a message, or of an array of up to [MostInjected] messages, and puts them into the inbox:
// all of them or, on an error, none where the queue can tell (it may hold some when it failed in the middle). It
// returns their ids. Each gets the property http from the context's actor, and message-id, received and hostname where
// these are missing.
//
// An array is read one message after another. What is in memory is the mails and little more: beyond 16 MiB at most
// eight times what was read. More than that, and more messages, is an error that wraps [ErrTooLarge].
func (a *Admin) Inject(ctx context.Context, messages io.Reader) ([]string, error) {
	in := injection{ctx: ctx, admin: a, begun: time.Now()}
	if err := in.check(messages); err != nil {
		return nil, err
	}
	if err := a.Queue.Publish(ctx, in.items...); err != nil {
		return nil, injectError(err)
	}
	in.stored()
	return in.done("messages injected"), nil
}

// InjectOnce is Inject for a call that may be repeated: of several with the same key, by the same actor, one injects,
// and all return the same ids. A call with another text is [ErrKeyUsed]. The key has at most [LongestKey] bytes; how
// long, and how many, are remembered is for Injected to say. When ctx ends the messages may be injected all the same:
// the next call with the key tells.
func (a *Admin) InjectOnce(ctx context.Context, key string, messages io.Reader) ([]string, error) {
	if a.Injected == nil {
		return nil, unsupported("keys of injections are not remembered here")
	}
	if key == "" || len(key) > LongestKey {
		return nil, invalid("Idempotency-Key", nil, fmt.Sprintf("a text of 1 to %d bytes", LongestKey))
	}
	all := sha256.New()
	in := injection{ctx: ctx, admin: a, begun: time.Now(), key: digest(sha256.New(), actorOf(ctx).Name+"\x00"+key)}
	if err := in.check(io.TeeReader(messages, all)); err != nil {
		return nil, err
	}
	again, err := a.Injected.Publish(ctx, in.key, digest(all, ""), in.items...)
	switch {
	case errors.Is(err, once.ErrOther):
		return nil, ErrKeyUsed
	case err != nil:
		return nil, injectError(err)
	case again:
		return in.done("messages were injected before with the same key"), nil
	}
	in.stored()
	return in.done("messages injected"), nil
}

// LongestKey is how many bytes the key of an injection may have.
const LongestKey = 255

func digest(h hash.Hash, text string) string {
	_, _ = io.WriteString(h, text)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func injectError(err error) error {
	if errors.Is(err, queue.ErrTooLarge) {
		return &Invalid{[]Problem{{Expected: "smaller messages: " + err.Error()}}}
	}
	return queueError(err)
}

// check reads everything, and finds what keeps it from being injected.
func (in *injection) check(messages io.Reader) error {
	if in.admin.Queue == nil || in.admin.Inbox == "" {
		return unavailable("there is no inbox to inject into", nil)
	}
	if err := in.read(messages); err != nil {
		return err
	}
	if in.wrong != nil {
		return &Invalid{in.wrong}
	}
	in.checked = time.Now()
	return nil
}

// done tells what was done, and returns the ids.
func (in *injection) done(what string) []string {
	in.admin.did(in.ctx, what, "messages", len(in.ids), "first", in.ids[0])
	return in.ids
}

// injection is what was read of one call.
type injection struct {
	ctx   context.Context
	admin *Admin
	key   string // ids are made of it; "": of nothing
	array bool
	count int // messages read, wrong ones among them
	items []queue.Item
	ids   []string
	wrong []Problem
	room  int // bytes that values may still take; see weigh

	begun    time.Time
	checked  time.Time // when the last message was read
	followed []followed
}

// followed is the trace of a message.
type followed struct{ parent, own string }

type traceKey struct{}

// Traced returns a context in which injected messages belong to a W3C trace context, unless they name another; "":
// none.
func Traced(ctx context.Context, parent string) context.Context {
	return context.WithValue(ctx, traceKey{}, parent)
}

// follow asks whether a message is followed.
func (in *injection) follow(m *queue.Message) {
	parent := m.TraceParent()
	if parent == "" {
		parent, _ = in.ctx.Value(traceKey{}).(string)
	}
	if own := in.admin.Tracer.Begin(parent); own != "" {
		m.SetTraceParent(own)
		in.followed = append(in.followed, followed{parent, own})
	}
}

// stored tells of the messages that are followed.
func (in *injection) stored() {
	if in.followed == nil {
		return
	}
	stages := monitor.Stages{Read: in.checked.Sub(in.begun), Store: time.Since(in.checked)}
	for _, f := range in.followed {
		in.admin.Tracer.Received(f.parent, f.own, in.begun, &stages)
	}
}

// read reads a message or an array of them.
func (in *injection) read(messages io.Reader) error {
	in.room = 16 << 20
	r := bufio.NewReader(messages)
	first, err := firstByte(r)
	switch {
	case errors.Is(err, io.EOF):
		return invalid("", nil, "the JSON of a message, or of an array of messages, not nothing")
	case err != nil:
		return err
	case first == '[':
		in.array = true
		return in.readArray(json.NewDecoder(r))
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return in.add(data)
}

// firstByte steps over white space and a byte order mark.
func firstByte(r *bufio.Reader) (byte, error) {
	if mark, _ := r.Peek(3); string(mark) == "\uFEFF" {
		_, _ = r.Discard(3)
	}
	for {
		c, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c, r.UnreadByte()
		}
	}
}

func (in *injection) readArray(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return notJSON(err, d)
	}
	for d.More() {
		var err error
		if notRead := d.Decode(&element{func(data []byte) { err = in.add(data) }}); notRead != nil {
			return notJSON(notRead, d)
		}
		if err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return notJSON(err, d)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return invalid("", nil, "nothing behind the end of the array")
	}
	if in.count == 0 {
		return invalid("", nil, "a message, or an array of messages, not an empty array")
	}
	return nil
}

// element hands on the text of a value where it lies in the decoder's buffer: it must not be kept.
type element struct{ add func([]byte) }

func (e *element) UnmarshalJSON(data []byte) error {
	e.add(data)
	return nil
}

func notJSON(err error, d *json.Decoder) error {
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return invalid("", nil, "more: the JSON ends early")
	case errors.As(err, &syntax):
		return invalid("", nil, fmt.Sprintf("JSON: near byte %d, %v", d.InputOffset(), syntax))
	}
	return err
}

// add takes one message. Once there are as many problems as are told it only counts.
func (in *injection) add(data []byte) error {
	if in.count++; in.count > MostInjected {
		return tooLarge(fmt.Sprintf("there are more than %d messages in the array; send them in several", MostInjected))
	}
	if in.room += min(8*len(data)-weigh(data), 0); in.room < 0 {
		return tooLarge(fmt.Sprintf("message %d consists of too many small values for its size", in.count))
	}
	if len(in.wrong) == mostProblems {
		return nil
	}
	m, err := queue.Unmarshal(data)
	if most := in.admin.MaxMessage; err == nil && most > 0 && m.Body != nil && m.Body.Size() > most {
		err = &queue.PropertyError{Property: "mime", Want: fmt.Sprintf("a mail of %d bytes at most", most),
			Got: fmt.Sprintf("one of %d bytes", m.Body.Size())}
	}
	if err != nil {
		in.wrong = append(in.wrong, in.problem(err))
		return nil
	}
	if in.wrong != nil {
		return nil // nothing will be published
	}
	in.complete(m)
	if in.admin.Tracer != nil {
		in.follow(m)
	}
	in.items = append(in.items, queue.Item{Queue: in.admin.Inbox, Message: m})
	in.ids = append(in.ids, m.ID)
	return nil
}

// weigh returns about how much memory the values of a message can take beside their text: little when they are texts, a
// hundred times their length when they are {}.
func weigh(data []byte) int {
	const value, object = 128, 256 // entries of maps; results
	n, text := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
			next := bytes.IndexAny(data[i:], `"\`)
			if next < 0 {
				return n
			}
			i += next - 1
		case c == ',':
			n += value
		case c == '{':
			n += object
		}
	}
	return n
}

// problem names the message that was read last, and its property.
func (in *injection) problem(err error) Problem {
	p := Problem{Expected: "the JSON of a message: " + err.Error()}
	var property *queue.PropertyError
	if errors.As(err, &property) {
		p = Problem{Field: property.Property, Given: property.Got, Expected: property.Want}
	}
	if in.array {
		p.Field = strings.TrimSuffix(fmt.Sprintf("message %d, %s", in.count, p.Field), ", ")
	}
	return p
}

// complete adds what a message gets at intake.
func (in *injection) complete(m *queue.Message) {
	a, who := in.admin, actorOf(in.ctx)
	m.HTTP = &queue.HTTPSource{Authentication: who.Name}
	if who.Remote.IsValid() {
		m.HTTP.RemoteIP, m.HTTP.RemotePort = who.Remote.Addr().Unmap().String(), int(who.Remote.Port())
	}
	if mail, ok := m.Body.(interface{ Bytes() []byte }); ok && !m.RequireTLS {
		m.TLSOptional = m.TLSOptional || mailheader.TLSOptional(mail.Bytes())
	}
	switch {
	case m.ID != "":
	case in.key != "":
		m.ID = once.ID(uint64(max(a.Instance, 1)), in.key, in.count)
	default:
		m.ID = a.newID()
	}
	if m.Received.IsZero() {
		m.Received = a.now()
	}
	if m.Hostname == "" {
		m.Hostname = a.Hostname
		if m.Hostname == "" {
			m.Hostname, _ = os.Hostname()
		}
	}
}

func (a *Admin) newID() string {
	if a.NewID != nil {
		return a.NewID()
	}
	return strconv.FormatInt(max(a.Instance, 1), 10) + "-" + strings.ToLower(rand.Text())
}
