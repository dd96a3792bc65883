package object_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery/render/fetch"
	"github.com/sluicemail/sluice/delivery/render/object"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// fixed are options whose result is the same each time.
func fixed() object.Options {
	return object.Options{Now: func() time.Time { return noon }, ID: "0-1"}
}

// files is a Fetcher with a file for each address. An address without one is not there; one that begins with "busy" may
// be there later.
type files map[string]*fetch.File

func (f files) Fetch(_ context.Context, address string) (*fetch.File, error) {
	if file := f[address]; file != nil {
		return file, nil
	}
	return nil, &fetch.Error{URL: address, Reason: "the server answered 404", Temporary: strings.Contains(address, "busy")}
}

// part is what a reader finds.
type part struct {
	kind    string // with parameters
	header  map[string][]string
	content string
	parts   []part
}

// built returns a mail in pieces, as another program reads it, and looks at what holds of every mail.
func built(t *testing.T, text string, opts object.Options) (mail.Header, part, string) {
	t.Helper()
	raw, err := object.Build(t.Context(), json.RawMessage(text), opts)
	require.NoError(t, err)
	sound(t, raw)
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	require.NoError(t, err)
	require.Equal(t, []string{"1.0"}, m.Header["Mime-Version"])
	return m.Header, read(t, m.Header, m.Body), string(raw)
}

var lineEnds = regexp.MustCompile(`\r[^\n]|[^\r]\n`)

// sound asserts what holds of every mail.
func sound(t *testing.T, raw []byte) {
	t.Helper()
	require.Regexp(t, `\r\n$`, string(raw))
	require.False(t, lineEnds.Match(raw), "line ends")
	header, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	for line := range bytes.SplitSeq(raw, []byte("\r\n")) {
		require.LessOrEqual(t, len(line), 998)
	}
	for line := range bytes.SplitSeq(header, []byte("\r\n")) {
		require.Regexp(t, `^([!-9;-~]+:|[ \t].*\S)`, string(line))
	}
}

func read(t *testing.T, header map[string][]string, body io.Reader) part {
	t.Helper()
	get := func(name string) string {
		if v := header[name]; v != nil {
			return v[0]
		}
		return ""
	}
	p := part{kind: get("Content-Type"), header: header}
	kind, params, err := mime.ParseMediaType(p.kind)
	require.NoError(t, err, p.kind)
	if strings.HasPrefix(kind, "multipart/") {
		p.kind = kind
		r := multipart.NewReader(body, params["boundary"])
		for {
			next, err := r.NextRawPart()
			if err == io.EOF {
				return p
			}
			require.NoError(t, err)
			p.parts = append(p.parts, read(t, next.Header, next))
		}
	}
	switch get("Content-Transfer-Encoding") {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	default:
		t.Fatalf("coding %q", get("Content-Transfer-Encoding"))
	}
	content, err := io.ReadAll(body)
	require.NoError(t, err)
	p.content = string(content)
	return p
}

// shape returns the types of a part and those within it.
func (p part) shape() string {
	if p.parts == nil {
		kind, _, _ := strings.Cut(p.kind, ";")
		return kind
	}
	var inner []string
	for _, child := range p.parts {
		inner = append(inner, child.shape())
	}
	return strings.TrimPrefix(p.kind, "multipart/") + "(" + strings.Join(inner, " ") + ")"
}

func TestShapes(t *testing.T) {
	const pdf = `{"data": "JVBERg==", "name": "a.pdf", "type": "application/pdf"}`
	const logo = `{"data": "iVBORw==", "name": "a.png", "type": "image/png", "inline": true, "cid": "logo"}`
	for text, want := range map[string]string{
		`{}`:                                                       "text/plain",
		`{"text": "a"}`:                                            "text/plain",
		`{"html": "<p>a</p>"}`:                                     "alternative(text/plain text/html)",
		`{"content": "<p>a</p>"}`:                                  "alternative(text/plain text/html)",
		`{"text": "b", "html": "a"}`:                               "alternative(text/plain text/html)",
		`{"text": null, "html": "a"}`:                              "alternative(text/plain text/html)",
		`{"attachments": [` + pdf + `]}`:                           "application/pdf",
		`{"text": "", "attachments": []}`:                          "text/plain",
		`{"text": "a", "attachments": [` + pdf + `]}`:              "mixed(text/plain application/pdf)",
		`{"text": "a", "attachments": [` + logo + `]}`:             "mixed(text/plain image/png)",
		`{"html": "a", "attachments": [` + logo + `]}`:             "alternative(text/plain related(text/html image/png))",
		`{"html": "a", "attachments": [` + pdf + `,` + logo + `]}`: "mixed(alternative(text/plain related(text/html image/png)) application/pdf)",
		`{"html": "a", "attachments": [` + pdf + `,` + pdf + `]}`:  "mixed(alternative(text/plain text/html) application/pdf application/pdf)",
	} {
		_, p, _ := built(t, text, fixed())
		require.Equal(t, want, p.shape(), text)
	}
}

func TestAddresses(t *testing.T) {
	for text, want := range map[string]string{
		`"info@example.com"`:                                                                "info@example.com",
		`" Joe <joe@example.com> "`:                                                         "Joe <joe@example.com>",
		`"\"B, Joe\" <joe@example.com>, x@example.org"`:                                     `"B, Joe" <joe@example.com>, x@example.org`,
		`{"address": "joe@example.com"}`:                                                    "joe@example.com",
		`{"name": "Joe", "address": "joe@example.com"}`:                                     "Joe <joe@example.com>",
		`{"name": "B, Joe", "address": "joe@example.com"}`:                                  `"B, Joe" <joe@example.com>`,
		`{"name": "Joe \"the\" B", "address": "joe@example.com"}`:                           "=?utf-8?b?Sm9lICJ0aGUiIEI=?= <joe@example.com>",
		`{"name": "Jürgen", "address": "j@example.com"}`:                                    "=?utf-8?q?J=C3=BCrgen?= <j@example.com>",
		`{"name": "Joe", "address": "joe@Bücher.example"}`:                                  "Joe <joe@xn--bcher-kva.example>",
		`"joe@bücher.example"`:                                                              "joe@xn--bcher-kva.example",
		`["a@example.com", {"name": "B", "address": "b@example.org"}, "C <c@example.net>"]`: "a@example.com, B <b@example.org>, C <c@example.net>",
		`{"name": "Joe\r\nBcc: x@example.com", "address": "joe@example.com"}`:               `"Joe Bcc: x@example.com" <joe@example.com>`,
		`{"name": "=?utf-8?q?x?=", "address": "joe@example.com"}`:                           "=?utf-8?b?PT91dGYtOD9xP3g/PQ==?= <joe@example.com>",
		`"\"a b\"@example.com"`:                                                             `"a b"@example.com`,
		`""`:                                                                                "",
		`[]`:                                                                                "",
		`null`:                                                                              "",
		`"{$email}"`:                                                                        "{$email}",
		`"{$local}@example.com"`:                                                            "{$local}@example.com",
		`"Joe <{$email}>"`:                                                                  "Joe <{$email}>",
		`{"name": "{$name}", "address": "{$a.b[1]|tolower}"}`:                               "{$name} <{$a.b[1]|tolower}>",
		`{"name": "{$n|default:\"you\"}", "address": "a@b.example"}`:                        "=?utf-8?b?eyRufGRlZmF1bHQ6InlvdSJ9?= <a@b.example>",
	} {
		for _, property := range []string{"from", "to", "cc", "replyTo", "replyto"} {
			h, _, _ := built(t, fmt.Sprintf(`{%q: %s}`, property, text), fixed())
			name := map[string]string{"replyTo": "Reply-To", "replyto": "Reply-To"}[property]
			if name == "" {
				name = strings.ToUpper(property[:1]) + property[1:]
			}
			require.Equal(t, want, h.Get(name), "%s: %s", property, text)
		}
		_, _, raw := built(t, `{"text": "x", "bcc": `+text+`}`, fixed())
		require.NotContains(t, strings.ToLower(raw), "bcc")
	}
	h, _, _ := built(t, `{"from": ["a@example.com", "b@example.com"]}`, fixed())
	require.Equal(t, "a@example.com", h.Get("Sender"))
}

func TestSubject(t *testing.T) {
	for _, subject := range []string{
		"Hello", "Grüße aus Köln", strings.Repeat("x", 3000), strings.Repeat("ü ", 500) + "ü", "a =?utf-8?q?b?= c", "two  spaces",
		"{$name}, your order {if $n > 1}{$n|default:\"x y\"}{/if}", "{$näme}", "日本語の件名", "tab",
		strings.Repeat("word ", 300) + "end",
	} {
		text, _ := json.Marshal(subject)
		h, _, _ := built(t, fmt.Sprintf(`{"subject": %s}`, text), fixed())
		decoded, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
		require.NoError(t, err)
		require.Equal(t, subject, decoded)
	}
	h, _, _ := built(t, `{"subject": "a\r\nBcc: x@example.com\r\n\r\nbody\u0000\u2028c\td"}`, fixed())
	require.Equal(t, []string{"a Bcc: x@example.com body c d"}, h["Subject"])
	require.Empty(t, h["Bcc"])
}

func TestHeaders(t *testing.T) {
	h, _, raw := built(t, `{"from": "joe@example.com", "headers": {"List-Unsubscribe": "<mailto:x@example.com>", "x-n": 5,
		"X-Many": ["a", "b"], "X-Text": "ü", "x-evil": "a\r\nX-Injected: b", "Bcc": "secret@example.com", "x-null": null}}`, fixed())
	require.Equal(t, "<mailto:x@example.com>", h.Get("List-Unsubscribe"))
	require.Equal(t, "5", h.Get("X-N"))
	require.Equal(t, []string{"a", "b"}, h["X-Many"])
	require.Equal(t, "=?utf-8?q?=C3=BC?=", h.Get("X-Text"))
	require.Equal(t, "a X-Injected: b", h.Get("X-Evil"))
	require.Empty(t, h["X-Injected"])
	require.NotContains(t, raw, "secret")
	require.Equal(t, "Mon, 30 Nov 2026 12:00:00 +0000", h.Get("Date"))
	require.Equal(t, "<0-1@example.com>", h.Get("Message-Id"))

	h, _, _ = built(t, `{"headers": {"message-id": "<own@example.com>", "DATE": "Tue, 01 Dec 2026 00:00:00 +0000", "Subject": "s"}}`, fixed())
	require.Equal(t, []string{"<own@example.com>"}, h["Message-Id"])
	require.Equal(t, []string{"Tue, 01 Dec 2026 00:00:00 +0000"}, h["Date"])
	require.Equal(t, "s", h.Get("Subject"))

	ids := make(map[string]bool)
	for range 10 {
		h, _, _ := built(t, `{"from": "joe@bücher.example"}`, object.Options{})
		require.Regexp(t, `^<[0-9a-zA-Z.]{20,}@xn--bcher-kva.example>$`, h.Get("Message-Id"))
		ids[h.Get("Message-Id")] = true
	}
	require.Len(t, ids, 10)
	h, _, _ = built(t, `{"from": "{$a}"}`, object.Options{ID: "a@b> (c)\r\nX: y"})
	require.Regexp(t, "@localhost>$", h.Get("Message-Id"))
}

// TestTagsSurvive has tags in every text: a reader finds them whole.
func TestTagsSurvive(t *testing.T) {
	tag := `{if $a == "x"}{$name|default:"you & me"|truncate:80:"...":true}{/if}`
	long := strings.Repeat("é", 500) + tag + strings.Repeat("x", 500)
	in, _ := json.Marshal(map[string]any{"text": long, "html": `<p title="x">` + long + `<a href="https://e.example/?x={$u|default:"a"}">go</a></p>`})
	_, p, _ := built(t, string(in), fixed())
	require.Equal(t, long, p.parts[0].content)
	require.Contains(t, p.parts[1].content, long)
	in, _ = json.Marshal(map[string]any{"html": `<p>` + long + ` <a href="https://e.example/?x={$u|default:"a"}">go</a></p>`})
	_, p, _ = built(t, string(in), fixed())
	require.Equal(t, long+` go <https://e.example/?x={$u|default:"a"}>`+"\r\n", p.parts[0].content)
}

func TestAttachments(t *testing.T) {
	web := files{
		"https://example.com/a.pdf": {Data: []byte("%PDF"), Type: "application/pdf", Name: "a.pdf"},
		"https://example.com/x":     {Data: []byte("x")},
		"https://example.com/m":     {Data: []byte("Subject: x\r\n\r\ny"), Type: "message/rfc822", Name: "m.eml"},
	}
	all := strings.Repeat("0123456789", 50)
	_, p, _ := built(t, `{"attachments": [
		{"url": "https://example.com/a.pdf"},
		{"url": "https://example.com/a.pdf", "name": "Bücher.pdf", "type": "text/plain"},
		{"url": "https://example.com/x", "type": "text/csv; charset=iso-8859-1"},
		{"url": "https://example.com/m"},
		{"data": "VGhp\ncyBp cw", "name": "../../a.txt", "type": "text/plain"},
		{"data": "`+base64.StdEncoding.EncodeToString([]byte(all))+`", "name": "C:\\dir\\b\r\nX: y.bin", "type": "multipart/mixed; boundary=x"},
		{"data": "", "name": "", "type": "nonsense"}
	]}`, object.Options{Fetcher: web})
	var got []string
	for _, a := range p.parts {
		disposition, params, err := mime.ParseMediaType(a.header["Content-Disposition"][0])
		require.NoError(t, err)
		require.Equal(t, "attachment", disposition)
		got = append(got, a.kind+" "+params["filename"])
	}
	require.Equal(t, []string{"application/pdf a.pdf", "application/pdf Bücher.pdf",
		"text/csv; charset=iso-8859-1 attachment", "application/octet-stream m.eml", "text/plain a.txt",
		"application/octet-stream b X: y.bin", "application/octet-stream attachment"}, got)
	require.Equal(t, "This is", p.parts[4].content)
	require.Equal(t, all, p.parts[5].content)

	_, p, _ = built(t, `{"html": "<img src=\"cid:logo\">", "attachments": [{"data": "eA==", "name": "l.png", "cid": "<logo>", "type": "image/png"}]}`, fixed())
	image := p.parts[1].parts[1]
	require.Equal(t, []string{"<logo>"}, image.header["Content-Id"])
	require.Regexp(t, `^inline; filename=l\.png$`, image.header["Content-Disposition"][0])
}

func TestDownloadsThatFail(t *testing.T) {
	for address, temporary := range map[string]bool{"https://busy.example/x": true, "https://example.com/x": false} {
		_, err := object.Build(t.Context(), json.RawMessage(`{"attachments": [{"data": "eA=="}, {"url": "`+address+`"}]}`),
			object.Options{Fetcher: files{}})
		e, ok := errors.AsType[*fetch.Error](err)
		require.True(t, ok)
		require.Equal(t, temporary, e.Temporary)
		require.EqualError(t, err, "/attachments/1/url: download of "+address+": the server answered 404")
	}
	_, err := object.Build(t.Context(), json.RawMessage(`{"attachments": [{"url": "https://example.com/x"}]}`), fixed())
	require.ErrorContains(t, err, "downloads are not allowed")
}

func TestWrongObjects(t *testing.T) {
	for text, want := range map[string]string{
		``:                   `/: expected JSON: unexpected EOF`,
		`[]`:                 `/: expected an object, got an array`,
		`"x"`:                `/: expected an object, got a string`,
		`{"from": 5}`:        `/from: expected an address, or an object with "name" and "address", got 5`,
		`{"from": "nobody"}`: `/from: expected an address such as joe@example.com, got "nobody"`,
		`{"from": "a@b.example\r\nBcc: x@y.example"}`:          `/from: expected an address`,
		`{"from": "<a@b.example>\r\nBcc: <x@y.example>"}`:      `/from: expected an address`,
		`{"to": ["a@b.example", {"name": "x"}]}`:               `/to/1: expected an "address" in it`,
		`{"to": {"address": 5}}`:                               `/to/address: expected an address, got 5`,
		`{"to": {"address": "a@b.example, c@d.example"}}`:      `/to/address: expected an address`,
		`{"to": {"address": "a@b.example>\nX: <c@d.example"}}`: `/to/address: expected an address`,
		`{"to": {"address": "{$a}\r\nBcc: x@y.example"}}`:      `/to/address: expected an address`,
		`{"to": {"address": "{$a|default:\"\r\nBcc: x\"}"}}`:   `/to/address: expected an address`,
		`{"to": {"name": [], "address": "a@b.example"}}`:       `/to/name: expected a string, got an array`,
		`{"bcc": 1}`:                                              `/bcc: expected an address`,
		`{"subject": {}}`:                                         `/subject: expected a string, got an object`,
		`{"text": ["a"]}`:                                         `/text: expected a string, got an array`,
		`{"html": true}`:                                          `/html: expected a string, got true`,
		`{"html": "a", "content": "b"}`:                           `/html: expected no html beside content`,
		`{"content": 5}`:                                          `/content: expected a string, got 5`,
		`{"headers": "x"}`:                                        `/headers: expected an object, got "x"`,
		`{"headers": {"a b": "c"}}`:                               `/headers/a b: expected the name of a header field`,
		`{"headers": {"a\r\nb": "c"}}`:                            "expected the name of a header field",
		`{"headers": {"": "c"}}`:                                  `/headers/: expected the name of a header field`,
		`{"headers": {"a": {}}}`:                                  `/headers/a: expected a string, or an array of strings, got an object`,
		`{"headers": {"a": ["x", true]}}`:                         `/headers/a/1: expected a string`,
		`{"headers": {"Content-Type": "x"}}`:                      `/headers/Content-Type: expected no such field`,
		`{"headers": {"SUBJECT": "x"}, "subject": "y"}`:           `/headers/SUBJECT: expected no such field beside the property subject`,
		`{"headers": {"a": "` + strings.Repeat("x", 1000) + `"}}`: `/headers/a: expected words of less than a line of 998 bytes`,
		`{"attachments": {}}`:                                     `/attachments: expected an array, got an object`,
		`{"attachments": ["x"]}`:                                  `/attachments/0: expected an object, got "x"`,
		`{"attachments": [{}]}`:                                   `/attachments/0: expected data in base64, or a url`,
		`{"attachments": [{"data": "x", "url": "y"}]}`:            `/attachments/0: expected data or url, not both`,
		`{"attachments": [{"data": "!"}]}`:                        `/attachments/0/data: expected base64`,
		`{"attachments": [{"data": 5}]}`:                          `/attachments/0/data: expected a string, got 5`,
		`{"attachments": [{"url": 5}]}`:                           `/attachments/0/url: expected a string, got 5`,
		`{"attachments": [{"data": "", "inline": "yes"}]}`:        `/attachments/0/inline: expected true or false, got "yes"`,
		`{"attachments": [{"data": "", "cid": "a b"}]}`:           `/attachments/0/cid: expected printable ASCII`,
		`{"attachments": [` + strings.Repeat(`{"data":""},`, 100) + `{"data":""}]}`: `/attachments: expected at most 100 attachments`,
		strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000):             "expected at most 100 levels",
	} {
		_, err := object.Build(t.Context(), json.RawMessage(text), fixed())
		require.Error(t, err, text)
		_, ok := errors.AsType[*object.Error](err)
		require.True(t, ok)
		require.Contains(t, err.Error(), want, text)
	}
}

func TestSizes(t *testing.T) {
	opts := fixed()
	opts.MaxSize = 1000
	big, _ := json.Marshal(map[string]any{"attachments": []any{map[string]string{
		"data": base64.StdEncoding.EncodeToString(make([]byte, 900))}}})
	_, err := object.Build(t.Context(), big, opts)
	require.EqualError(t, err, "/attachments/0: expected a mail of at most 1000 bytes")
	big, _ = json.Marshal(map[string]any{"html": strings.Repeat("x", 1001)})
	_, err = object.Build(t.Context(), big, opts)
	require.ErrorContains(t, err, "expected a mail of at most 1000 bytes")

	text, _ := json.Marshal(strings.Repeat("<p>é = {$a} \"x\"</p>\n", 500_000)) // 10 MB
	began := time.Now()
	_, p, _ := built(t, `{"html": `+string(text)+`}`, fixed())
	require.Less(t, time.Since(began), time.Minute)
	require.Len(t, p.parts, 2)
}

func TestPlain(t *testing.T) {
	for html, want := range map[string]string{
		"<p>a</p><p>b <b>c</b>\n d</p>":                                     "a\n\nb c d\n",
		"a<br>b<br><br>c":                                                   "a\nb\n\nc\n",
		"<h1>T</h1><ul><li>a<li>b</ul>after":                                "T\n\n- a\n- b\n\nafter\n",
		`<a href="https://a.example/">here</a>, now`:                        "here <https://a.example/>, now\n",
		`<a href="https://a.example/">https://a.example/</a>`:               "https://a.example/\n",
		`<a href="mailto:a@b.example">a@b.example</a>`:                      "a@b.example\n",
		`<a href="#top">up</a>`:                                             "up\n",
		`<a href="https://a.example/"><img alt="Logo" src="x"></a>`:         "Logo <https://a.example/>\n",
		"<title>t</title><style>p{}</style><script>x</script>v":             "v\n",
		`<head><meta charset="utf-8"><title>t</title></head><body>v</body>`: "v\n",
		`<div style="display: none">hidden <div>x</div> y</div>shown`:       "shown\n",
		"<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>":   "a b\nc\n",
		"<pre>a\n  b</pre>":                                                 "a\n  b\n",
		"1 &lt; 2 &amp; 3&nbsp;&euro;":                                      "1 < 2 & 3 €\n",
		"<!-- c -->a<!--[if mso]>x<![endif]-->b":                            "ab\n",
		"":                                                                  "\n",
		"a<hr>b":                                                            "a\n\n----------\n\nb\n",
		"<p>{if $a < 3}x{/if}</p><p>{$b}</p>":                               "{if $a < 3}x{/if}\n\n{$b}\n",
		"</a></pre></p><a href=x>":                                          "\n",
	} {
		in, _ := json.Marshal(map[string]string{"html": html})
		_, p, _ := built(t, string(in), fixed())
		require.Equal(t, want, strings.ReplaceAll(p.parts[0].content, "\r\n", "\n"), html)
	}
}

func FuzzBuild(f *testing.F) {
	f.Add([]byte(`{"from": {"name": "J\nX: ü", "address": "a@bü.example"}, "to": ["Joe <{$a}>"], "subject": "{$a|b:\"\\n\"}ü",
		"headers": {"x-a": ["b", 5]}, "html": "<p>{$a}</p>", "attachments": [{"data": "eA==", "name": "é\r\n", "cid": "x"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		raw, err := object.Build(t.Context(), data, fixed())
		if err != nil {
			_, ok := errors.AsType[*object.Error](err)
			require.True(t, ok)
			return
		}
		sound(t, raw)
		m, err := mail.ReadMessage(bytes.NewReader(raw))
		require.NoError(t, err)
		for name := range m.Header {
			require.NotContains(t, []string{"Bcc", "Injected"}, name)
		}
		read(t, m.Header, m.Body)
	})
}
