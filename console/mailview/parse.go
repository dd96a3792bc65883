package mailview

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"

	"github.com/emersion/go-message"
	"github.com/emersion/go-message/charset"
	"github.com/emersion/go-message/textproto"
)

// Limits of what is taken from a mail.
const (
	maxHeader  = 256 << 10
	maxFields  = 500
	maxValue   = 4 << 10
	maxParts   = 200
	maxDepth   = 10
	maxText    = 1 << 20 // of text, and of HTML, as they are shown
	maxImage   = 1 << 20 // of one image that is part of the mail
	maxImages  = 4 << 20 // of all of them
	maxScanned = 64 << 20
	maxTags    = 20_000 // elements of the HTML: browsers take minutes for some hundred thousand
	maxNested  = 200    // elements around another
)

// View is a mail taken apart.
type View struct {
	Header  []Field
	Parts   []Part
	Text    string // the first text part that is no attachment
	HTML    string // the first HTML part, as it came: only for Page
	Subject string
	// Cut says what was left out because there was too much of it; empty: nothing.
	Cut []string

	images map[string]image // by Content-ID
	sum    int              // of their sizes
}

// Field is a field of the header, decoded and on one line.
type Field struct{ Name, Value string }

// Part is a part of a mail.
type Part struct {
	Number   string // "2.1": its place
	Type     string // "text/plain", in lower case
	Charset  string
	Name     string // of the file; "" when it has none
	Attached bool   // Content-Disposition: attachment
	Size     int64  // decoded; of a part that cannot be decoded, as far as it can
	Problem  string // why it cannot be decoded; "" when it can
}

type image struct {
	mediaType string
	data      []byte
}

// Parse takes a mail of size bytes apart. It fails only when the mail cannot be read; a mail that makes no sense has a
// View that shows as much of it as does.
func Parse(mail io.ReaderAt, size int64) (*View, error) {
	v := &View{images: map[string]image{}}
	in := &source{r: io.NewSectionReader(mail, 0, min(size, maxScanned))}
	if size > maxScanned {
		v.cut(fmt.Sprintf("all behind the first %d MiB", maxScanned>>20))
	}
	header, err := textproto.ReadHeader(bufio.NewReader(io.LimitReader(in, maxHeader)))
	if in.err != nil {
		return nil, in.err
	}
	if err != nil {
		return v, v.headless(mail, size)
	}
	v.fields(header)
	in.r = io.NewSectionReader(mail, 0, min(size, maxScanned))
	e, err := message.ReadWithOptions(in, &message.ReadOptions{MaxHeaderBytes: maxHeader})
	if e == nil {
		return v, errors.Join(in.err)
	}
	v.entity(e, err, "", 0)
	return v, in.err
}

// source remembers why a mail could not be read: parsers take that for its end.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = fmt.Errorf("reading the mail: %w", err)
	}
	return n, err
}

// headless shows a mail whose header cannot be read as text.
func (v *View) headless(mail io.ReaderAt, size int64) error {
	v.cut("the header, which makes no sense or is too long")
	text := make([]byte, min(size, maxText))
	n, err := mail.ReadAt(text, 0)
	v.Text = clean(string(text[:n]))
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the mail: %w", err)
	}
	return nil
}

func (v *View) cut(what string) {
	for _, said := range v.Cut {
		if said == what {
			return
		}
	}
	v.Cut = append(v.Cut, what)
}

func (v *View) fields(h textproto.Header) {
	for f := h.Fields(); f.Next(); {
		if len(v.Header) == maxFields {
			v.cut(fmt.Sprintf("header fields after the first %d", maxFields))
			break
		}
		value := f.Value()
		if len(value) > maxValue {
			value = value[:maxValue]
			v.cut("the ends of long header fields")
		}
		v.Header = append(v.Header, Field{clean(f.Key()), oneLine(clean(decodeWords(value)))})
	}
	subject := h.Get("Subject")
	v.Subject = oneLine(clean(decodeWords(subject[:min(len(subject), maxValue)])))
}

func decodeWords(s string) string {
	d := mime.WordDecoder{CharsetReader: charset.Reader}
	if decoded, err := d.DecodeHeader(s); err == nil {
		return decoded
	}
	return s
}

// entity takes a part and what is below it. problem is why it could not be read whole.
func (v *View) entity(e *message.Entity, problem error, number string, depth int) {
	if r := e.MultipartReader(); r != nil {
		v.multipart(r, number, depth)
		return
	}
	if len(v.Parts) == maxParts {
		v.cut(fmt.Sprintf("parts after the first %d", maxParts))
		return
	}
	if number == "" {
		number = "1"
	}
	p := partOf(e, number)
	if problem != nil {
		p.Problem = clean(problem.Error())
	}
	v.content(e, &p)
	v.Parts = append(v.Parts, p)
}

// partOf tells what the header of a part says.
func partOf(e *message.Entity, number string) Part {
	p := Part{Number: number, Type: "text/plain"}
	mediaType, params, err := e.Header.ContentType()
	if err == nil {
		p.Type, p.Charset = clean(mediaType), clean(params["charset"])
	}
	disposition, dparams, _ := e.Header.ContentDisposition()
	p.Attached = disposition == "attachment"
	p.Name = fileName(dparams["filename"], params["name"])
	return p
}

func (v *View) multipart(r message.MultipartReader, number string, depth int) {
	if depth == maxDepth {
		v.cut(fmt.Sprintf("parts deeper than %d", maxDepth))
		return
	}
	for n := 1; len(v.Parts) < maxParts; n++ {
		e, err := r.NextPart()
		if e == nil {
			return
		}
		place := fmt.Sprint(n)
		if number != "" {
			place = number + "." + place
		}
		v.entity(e, err, place, depth+1)
	}
	v.cut(fmt.Sprintf("parts after the first %d", maxParts))
}

// content reads a part: texts and images are kept as far as they are shown, the rest is counted.
func (v *View) content(e *message.Entity, p *Part) {
	var kept []byte
	var err error
	id := strings.Trim(e.Header.Get("Content-Id"), "<> ")
	switch {
	case p.Type == "text/plain" && !p.Attached && v.Text == "":
		kept, err = read(e.Body, maxText)
		v.Text = v.shown(kept, "text")
	case p.Type == "text/html" && !p.Attached && v.HTML == "":
		kept, err = read(e.Body, maxText)
		v.HTML = v.tame(v.shown(kept, "HTML"))
	case shownImage(p.Type) && id != "":
		if kept, err = read(e.Body, maxImage); len(kept) <= maxImage && v.sum+len(kept) <= maxImages {
			v.images[id], v.sum = image{p.Type, kept}, v.sum+len(kept)
		} else {
			v.cut("large images")
		}
	}
	rest, err2 := io.Copy(io.Discard, e.Body)
	p.Size = int64(len(kept)) + rest
	if err = errors.Join(err, err2); err != nil && p.Problem == "" {
		p.Problem = clean(err.Error())
	}
}

// read reads one byte more than limit, so that one sees that there is more.
func read(r io.Reader, limit int64) ([]byte, error) { return io.ReadAll(io.LimitReader(r, limit+1)) }

func (v *View) shown(text []byte, what string) string {
	if len(text) > maxText {
		text = text[:maxText]
		v.cut(fmt.Sprintf("%s after the first %d MiB", what, maxText>>20))
	}
	return strings.ToValidUTF8(string(text), "\ufffd")
}

// shownImage tells the types of images that a browser shows without executing anything: SVG is none of them.
func shownImage(mediaType string) bool {
	switch mediaType {
	case "image/png", "image/jpeg", "image/gif", "image/webp":
		return true
	}
	return false
}

// fileName is the name of an attachment without the directories that somebody may have put before it.
func fileName(names ...string) string {
	for _, name := range names {
		name = decodeWords(name)
		if name = name[strings.LastIndexAny(name, `/\`)+1:]; name != "" {
			return oneLine(clean(name[:min(len(name), maxValue)]))
		}
	}
	return ""
}
