package dsn

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"mime"
	"path"
	"strings"
	"text/template"
	"time"

	"github.com/emersion/go-message/charset"

	"github.com/sluicemail/sluice/queue"
)

//go:embed texts
var builtIn embed.FS

// Texts is what people read, in several languages. Its methods are safe for concurrent use.
//
// It is made of files named after an event and a language, failed.en.txt, with lines
//
//	From: the name in From, not the address
//	Subject: the subject
//
// an empty line and the text, a text/template with .Recipient, .Sender, .Subject, .Host, .Diagnostic, .Until (when
// trying ends; may be empty) and .Why, what the reasons of that language, reasons.de.txt, say of the class of the
// result; what they lack is the words of queue.Class, which are English.
type Texts struct {
	languages map[string]*language
}

type language struct {
	events  map[string]*form // by action
	reasons map[queue.Class]string
}

// form is one file.
type form struct {
	from, subject string
	body          *template.Template
}

// notice is a form that is filled in.
type notice struct{ from, subject, body string }

// facts is what a form may tell.
type facts struct {
	Recipient, Sender, Subject, Host, Diagnostic, Until, Why string
}

// fallback is the language of originals that name none we have.
const fallback = "en"

// standard are the texts that come with the program.
var standard = func() *Texts {
	dir, err := fs.Sub(builtIn, "texts")
	if err != nil {
		panic(err)
	}
	t, err := readTexts(dir, nil)
	if err != nil {
		panic(err)
	}
	return t
}()

// ReadTexts reads the texts in a directory. What it lacks of a language is taken from the built-in texts. An error
// names the file and what is wrong with it.
func ReadTexts(dir fs.FS) (*Texts, error) { return readTexts(dir, standard.languages) }

func readTexts(dir fs.FS, base map[string]*language) (*Texts, error) {
	t := &Texts{languages: make(map[string]*language)}
	for name, l := range base {
		t.languages[name] = &language{events: maps.Clone(l.events), reasons: maps.Clone(l.reasons)}
	}
	files, err := fs.Glob(dir, "*.txt")
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		data, err := fs.ReadFile(dir, name)
		if err == nil {
			err = t.add(name, string(data))
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return t, nil
}

// add reads one file.
func (t *Texts) add(name, data string) error {
	kind, lang, ok := strings.Cut(strings.TrimSuffix(path.Base(name), ".txt"), ".")
	if !ok || lang == "" {
		return errors.New("expected a name such as failed.en.txt or reasons.de.txt")
	}
	lang = strings.ToLower(lang)
	l := t.languages[lang]
	if l == nil {
		l = &language{events: make(map[string]*form), reasons: make(map[queue.Class]string)}
		t.languages[lang] = l
	}
	data = strings.ReplaceAll(data, "\r\n", "\n")
	if kind == "reasons" {
		return l.addReasons(data)
	}
	for ev := failed; ev <= delivered; ev++ {
		if ev.action() == kind {
			f, err := parseForm(data)
			l.events[kind] = f
			return err
		}
	}
	return fmt.Errorf("expected failed, delayed, relayed, delivered or reasons, got %q", kind)
}

// addReasons reads lines "address-unknown: Nobody has this address."
func (l *language) addReasons(data string) error {
	for i, line := range strings.Split(data, "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		key, text, ok := strings.Cut(line, ":")
		if !ok || !queue.Class(key).Known() {
			return fmt.Errorf("line %d: expected a class, a colon and a sentence, got %.80q", i+1, line)
		}
		l.reasons[queue.Class(key)] = strings.TrimSpace(text)
	}
	return nil
}

// why returns what a class means.
func (l *language) why(class queue.Class) string {
	for _, c := range [...]queue.Class{class, class.Base()} {
		if text := l.reasons[c]; text != "" {
			return text
		}
	}
	wrong, todo := class.Words()
	return strings.TrimSpace(wrong + " " + todo)
}

func parseForm(data string) (*form, error) {
	head, body, ok := strings.Cut(data, "\n\n")
	if !ok {
		return nil, errors.New("expected From and Subject, an empty line and a text")
	}
	var f form
	for line := range strings.SplitSeq(head, "\n") {
		name, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); strings.ToLower(name) {
		case "from":
			f.from = value
		case "subject":
			f.subject = value
		default:
			return nil, fmt.Errorf("expected From or Subject, got %.80q", line)
		}
	}
	var err error
	if f.body, err = template.New("text").Parse(body); err != nil {
		return nil, err
	}
	if f.from == "" || f.subject == "" {
		return nil, errors.New("expected From and Subject")
	}
	return &f, f.body.Execute(new(bytes.Buffer), facts{})
}

// text returns what people read.
func (c *composer) text() notice {
	t := c.Texts
	if t == nil {
		t = standard
	}
	l := t.choose(c.original.field("content-language"), c.event)
	now := facts{
		Recipient: oneLine(c.m.Recipient), Sender: oneLine(c.m.Envelope), Host: oneLine(c.Host), Diagnostic: c.diagnosis(),
		Subject: clip(decoded(c.original.field("subject")), 200), Why: l.why(c.result.Class),
	}
	if c.event == delayed && !c.until.IsZero() {
		now.Until = c.until.Format(time.RFC1123Z)
	}
	f := l.events[c.event.action()]
	var b bytes.Buffer
	if err := f.body.Execute(&b, now); err != nil {
		b.Reset() // it was tried when it was read
	}
	return notice{from: f.from, subject: f.subject, body: strings.ReplaceAll(b.String(), "\n", "\r\n")}
}

// choose returns the first language of a Content-Language field (RFC 3282) that has a text for the event.
func (t *Texts) choose(field string, ev event) *language {
	for tag := range strings.SplitSeq(strings.ToLower(field), ",") {
		tag = strings.TrimSpace(tag)
		for tag != "" {
			if l := t.languages[tag]; l != nil && l.events[ev.action()] != nil {
				return l
			}
			cut := strings.LastIndexByte(tag, '-') // "nl-be" is "nl"
			tag = tag[:max(cut, 0)]
		}
	}
	return t.languages[fallback]
}

// diagnosis is what the server said, on lines of its own that quote it.
func (c *composer) diagnosis() string {
	_, text, _ := strings.Cut(c.diagnostic(), "; ")
	return oneLine(text)
}

// decoded returns a field without its encoded words, on one line.
func decoded(value string) string {
	words := mime.WordDecoder{CharsetReader: charset.Reader}
	if text, err := words.DecodeHeader(value); err == nil {
		value = text
	}
	return oneLine(value)
}
