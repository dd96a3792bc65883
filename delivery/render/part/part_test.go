package part

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset"
	"github.com/stretchr/testify/require"
)

// eml is a mail with CRLF line ends.
func eml(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r\n")) }

// edit has each text of a mail changed.
func edit(mail []byte, change func(text *Text, old string) string) (string, error) {
	m, err := Parse(mail)
	if err != nil {
		return "", err
	}
	c := m.Change()
	defer c.Close()
	for _, text := range m.Texts() {
		old, err := text.Decode()
		if err != nil {
			return "", err
		}
		if now := change(text, string(old)); now != string(old) {
			if err := c.Set(text, []byte(now)); err != nil {
				return "", err
			}
		}
	}
	return string(c.Append(nil)), nil
}

// name puts a name in the place of NAME.
func name(value string) func(*Text, string) string {
	return func(t *Text, old string) string {
		if t.Kind == Addresses {
			value = string(protect(nil, []byte(value)))
		}
		now := strings.ReplaceAll(old, "NAME", value)
		value = restore(value)
		return now
	}
}

const mixed = `Received: from x
 by y; NAME
Subject: Hello NAME
From: "Shop, the" <shop@example.org>
To: NAME <john@example.com>
X-Other: NAME
MIME-Version: 1.0
Content-Type: multipart/mixed;
	boundary="outer"

A preamble with NAME.
--outer
Content-Type: multipart/alternative; boundary=outer-inner

--outer-inner
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit
X-Part: NAME

Plain NAME ü
--outer-innerX is no boundary
--outer-inner  
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<p style=3D"a">Html NAME =C3=BC</p>
--outer-inner--
An epilogue with NAME.
--outer
Content-Type: text/plain; name="a.txt"
Content-Disposition: attachment; filename="a.txt"

Attached NAME
--outer
Content-Type: message/rfc822

Subject: NAME

Forwarded NAME
--outer
Content-Type: image/png
Content-Transfer-Encoding: base64

TkFNRQ==
--outer--
The end, NAME.
`

func TestOnlyTheTextsChange(t *testing.T) {
	got, err := edit(eml(mixed), name("Zoë"))
	require.NoError(t, err)
	want := string(eml(mixed))
	for _, c := range [][2]string{
		{"Subject: Hello NAME", "Subject: =?utf-8?B?SGVsbG8gWm/Dqw==?="},
		{"To: NAME <", "To: =?utf-8?B?Wm/Dqw==?= <"},
		{"Plain NAME ü", "Plain Zoë ü"},
		{"Html NAME =C3=BC", "Html Zo=C3=AB =C3=BC"},
	} {
		require.Contains(t, want, c[0])
		want = strings.Replace(want, c[0], c[1], 1)
	}
	require.Equal(t, want, got)

	same, err := edit(eml(mixed), func(_ *Text, old string) string { return old })
	require.NoError(t, err)
	require.Equal(t, string(eml(mixed)), same)
}

func TestTexts(t *testing.T) {
	m, err := Parse(eml(mixed))
	require.NoError(t, err)
	var names []string
	for _, text := range m.Texts() {
		names = append(names, text.Name)
	}
	require.Equal(t, []string{"Subject", "From", "To", "part 1.1 (text/plain)", "part 1.2 (text/html)"}, names)
}

// TestPartsInEveryForm has one part in each transfer encoding and charset, with a text that fits into it and one that
// does not. What comes out is read by another implementation.
func TestPartsInEveryForm(t *testing.T) {
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, c := range []struct{ label, header, body, value, want, header2 string }{
		{"no header", "", "Hi NAME", "Bob", "Hi Bob", ""},
		{"no header, beyond ASCII", "", "Hi NAME", "Zoë", "Hi Zoë", "quoted-printable"},
		{"7bit", "Content-Type: text/plain\nContent-Transfer-Encoding: 7bit\n", "Hi NAME\n", "Bob", "Hi Bob\r\n", "7bit"},
		{"7bit, beyond ASCII", "Content-Type: text/plain; format=flowed\nContent-Transfer-Encoding: 7bit\n", "Hi NAME\n",
			"Zoë", "Hi Zoë\r\n", "quoted-printable"},
		{"8bit", "Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n", "Hi NAME\n", "Zoë",
			"Hi Zoë\r\n", "8bit"},
		{"long lines", "Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n", "Hi NAME\n",
			strings.Repeat("x", 1000), "Hi " + strings.Repeat("x", 1000) + "\r\n", "quoted-printable"},
		{"line breaks", "Content-Type: text/plain\n", "Hi NAME\n.\n", "a\nb\rc\r\nd", "Hi a\r\nb\r\nc\r\nd\r\n.\r\n", ""},
		{"NUL", "Content-Type: text/plain\n", "Hi NAME", "a\x00b", "Hi a\x00b", "quoted-printable"},
		{"quoted-printable", "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: Quoted-Printable\n",
			"<a href=3D\"x\">=\n NAME </a>=20\n", "=3D é \t", "<a href=\"x\"> =3D é \t </a> \r\n", "quoted-printable"},
		{"base64", "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n", b64("Hi NAME ü") + "\n",
			strings.Repeat("long ", 40), "Hi " + strings.Repeat("long ", 40) + " ü", "base64"},
		{"latin 1", "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n",
			"Gr=FC=DFe NAME", "Zoë", "Grüße Zoë", "quoted-printable"},
		{"latin 1, beyond it", "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n",
			"Gr=FC=DFe NAME", "€ 5", "Grüße € 5", "quoted-printable"},
		{"windows-1252, raw", "Content-Type: text/plain; charset=\"windows-1252\"\nContent-Transfer-Encoding: 8bit\n",
			"\x80 NAME", "Zoë", "€ Zoë", "8bit"},
		{"iso-2022-jp", "Content-Type: text/plain; charset=iso-2022-jp\n", "\x1b$B$3$s\x1b(B NAME", "世", "こん 世", ""},
		{"UTF-8 that is not declared", "", "ü NAME", "x", "ü x", "quoted-printable"},
	} {
		t.Run(c.label, func(t *testing.T) {
			mail := eml("Subject: x\n" + c.header + "\n" + c.body)
			got, err := edit(mail, name(c.value))
			require.NoError(t, err)
			e, err := message.Read(strings.NewReader(got))
			require.NoError(t, err)
			text, err := io.ReadAll(e.Body)
			require.NoError(t, err)
			require.Equal(t, c.want, string(text), got)
			require.Equal(t, c.header2, strings.ToLower(e.Header.Get("Content-Transfer-Encoding")))
			for line := range strings.SplitSeq(got, "\r\n") {
				require.LessOrEqual(t, len(line), 998)
			}
			if c.label == "7bit, beyond ASCII" {
				_, params, err := e.Header.ContentType()
				require.NoError(t, err)
				require.Equal(t, map[string]string{"charset": "utf-8", "format": "flowed"}, params)
				require.Contains(t, got, "MIME-Version: 1.0\r\n")
			}
		})
	}
}

// TestBoundaryInAValue has values that look like the boundary of a part. They make no part.
func TestBoundaryInAValue(t *testing.T) {
	value := "x\r\n--outer\r\nContent-Type: text/html\r\n\r\nevil\r\n--outer-inner--\r\n--outer--\r\n--\r\n"
	got, err := edit(eml(mixed), name(value))
	require.NoError(t, err)
	m, err := Parse([]byte(got))
	require.NoError(t, err)
	var texts []string
	for _, text := range m.Texts() {
		decoded, err := text.Decode()
		require.NoError(t, err)
		texts = append(texts, text.Name+": "+string(decoded))
	}
	require.Len(t, texts, 5)
	require.Contains(t, texts[3], value)
	require.Contains(t, texts[4], value)
	require.Equal(t, "part 1.2 (text/html)", m.Texts()[4].Name)
}

func TestFields(t *testing.T) {
	for _, c := range []struct{ field, value, want string }{
		{"Subject: Hi NAME", "Bob\r\nBcc: evil@example.com\r\n\r\nbody", "Subject: Hi Bob  Bcc: evil@example.com    body"},
		{"Subject: Hi NAME", "a\x00\x1b\u2028b", "Subject: Hi a   b"},
		{"Subject: Hi NAME", "=?utf-8?Q?evil?=", "Subject: =?utf-8?B?SGkgPT91dGYtOD9RP2V2aWw/PQ==?="},
		{"SUBJECT:  =?utf-8?Q?Gr=C3=BC=C3=9F?=\n =?iso-8859-1?Q?e_NAME?=", "Bob", "SUBJECT: =?utf-8?B?R3LDvMOfZSBCb2I=?="},
		{"Subject: NAME", strings.Repeat("wörd ", 20), ""},
		{"Subject: NAME", strings.Repeat("word ", 400), ""},
		{"Subject: NAME", strings.Repeat("w", 5000), ""},
		{"Subject: ü NAME", "x", "Subject: =?utf-8?B?w7wgeA==?="},

		{"To: NAME <a@example.com>", "John Doe", "To: John Doe <a@example.com>"},
		{"To: NAME <a@example.com>", "Doe, John", `To: "Doe, John" <a@example.com>`},
		{"To: NAME <a@example.com>", `A "B" \ <evil@example.com>, c@example.com`,
			`To: "A \"B\" \\ <evil@example.com>, c@example.com" <a@example.com>`},
		{"To: \"NAME\" <a@example.com>", `x" <evil@example.com>, "y`, `To: "x\" <evil@example.com>, \"y" <a@example.com>`},
		{"To: NAME <a@example.com>", "x\r\nBcc: evil@example.com", `To: "x  Bcc: evil@example.com" <a@example.com>`},
		{"To: NAME <a@example.com>", "", "To: a@example.com"},
		{"To: NAME <a@example.com>", "Jürgen Groß", "To: =?utf-8?B?SsO8cmdlbiBHcm/Dnw==?= <a@example.com>"},
		{"To: NAME <a@example.com>", "=?utf-8?Q?evil?=", "To: =?utf-8?B?PT91dGYtOD9RP2V2aWw/PQ==?= <a@example.com>"},
		{"To: NAME", "b@example.com", "To: b@example.com"},
		{"To: <NAME>", "b@example.com", "To: b@example.com"},
		{"To: NAME", "Bob B. <b@example.com>", `To: "Bob B." <b@example.com>`},
		{"To: x <NAME>", "b@exämple.com", "To: x <b@xn--exmple-cua.com>"},
		{"From: =?utf-8?Q?Doe=2C_NAME?= <a@example.com>, \"Q, R\" <q@example.com>,, (Old) b@example.com", "J",
			`From: "Doe, J" <a@example.com>, "Q, R" <q@example.com>, Old <b@example.com>`},
		{"To: NAME <a..b@example.com>", "x", "To: x <a..b@example.com>"},
		{"To: NAME <a@example.com>", "\U000F002C \U000F003Cx\U000F003E", "To: =?utf-8?B?77+9IO+/vXjvv70=?= <a@example.com>"},
	} {
		got, err := edit(eml(c.field+"\nX-Next: 1\n\nbody\n"), name(c.value))
		require.NoError(t, err, c.field)
		field, next, found := strings.Cut(got, "X-Next: 1\r\n\r\nbody\r\n")
		require.True(t, found, got)
		require.Empty(t, next)
		for line := range strings.SplitSeq(strings.TrimSuffix(field, "\r\n"), "\r\n") {
			require.NotEmpty(t, strings.TrimSpace(line))
			require.LessOrEqual(t, len(line), 998)
			require.True(t, line[0] == ' ' || strings.HasPrefix(strings.ToLower(line), strings.ToLower(c.field[:3])), line)
		}
		if c.want != "" {
			require.Equal(t, c.want, strings.ReplaceAll(strings.TrimSuffix(field, "\r\n"), "\r\n", ""), c.field)
			continue
		}
		h, err := message.Read(strings.NewReader(got))
		require.NoError(t, err)
		subject, err := h.Header.Text("Subject")
		require.NoError(t, err)
		require.Equal(t, strings.TrimSpace(c.value), strings.Join(strings.Fields(subject), " "))
	}
}

func TestWhatCannotBeChanged(t *testing.T) {
	for _, c := range []struct{ label, mail, want string }{
		{"no header", "Hello NAME", "mail: expected a header, got a text"},
		{"signed",
			"Content-Type: multipart/signed; boundary=b; protocol=\"application/pgp-signature\"\n\n--b\n\nNAME\n--b--\n",
			"mail (multipart/signed): it is signed, and cannot be changed"},
		{"signed within",
			"Content-Type: multipart/mixed; boundary=a\n\n--a\n\nx\n--a\nContent-Type: multipart/signed; boundary=b\n\n--b\n\nNAME\n--b--\n--a--\n", "part 2 (multipart/signed): it is signed"},
		{"encrypted", "Content-Type: multipart/encrypted; boundary=b\n\n--b\n\nNAME\n--b--\n",
			"it is encrypted, and cannot be changed"},
		{"S/MIME", "Content-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nx\n", "it is encrypted"},
		{"S/MIME, signed", "Content-Type: application/pkcs7-mime; smime-type=signed-data\n\nx\n", "it is signed"},
		{"no boundary", "Content-Type: multipart/mixed\n\nNAME\n",
			"mail (multipart/mixed): its Content-Type has no boundary"},
		{"another boundary", "Content-Type: multipart/mixed; boundary=b\n\n--c\n\nNAME\n",
			"mail (multipart/mixed): its boundary does not occur in it"},
		{"unknown charset", "Content-Type: text/plain; charset=no-such\n\nNAME\n",
			`mail (text/plain): there is no charset "no-such"`},
		{"wrong charset",
			"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html; charset=utf-8\n\nab\xff NAME\n--b--\n",
			"part 1 (text/html): byte 3 is not UTF-8"},
		{"no ASCII", "Content-Type: text/plain; charset=us-ascii\n\n\xff NAME\n", "byte 1 is not UTF-8"},
		{"undefined characters", "Content-Type: text/plain; charset=iso-8859-6\n\n\xa1 NAME\n",
			"no characters of charset \"iso-8859-6\""},
		{"unknown encoding", "Content-Type: text/plain\nContent-Transfer-Encoding: x-uu\n\nNAME\n",
			`there is no transfer encoding "x-uu"`},
		{"broken base64", "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\nTkF!\n",
			"it is not base64 as its header says"},
		{"broken quoted-printable",
			"Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\nab=ZZ NAME\n",
			"it is not quoted-printable as its header says: line 1 has \"=ZZ\""},
		{"a subject in no charset", "Subject: \xff NAME\n\nx\n", "Subject: byte 1 is not UTF-8"},
		{"a subject in an unknown charset", "Subject: =?no-such?Q?NAME?=\n\nx\n", "Subject: an encoded word cannot be read"},
		{"a To in an unknown charset", "To: =?no-such?Q?NAME?= <a@example.com>\n\nx\n", "To: an encoded word cannot be read"},
		{"no address", "To: NAME <>\n\nx\n", `To: the address "" cannot be used`},
		{"two addresses in one", "To: NAME <a@example.com, b@example.com>\n\nx\n", "it is more than one address"},
		{"brackets", "To: NAME <a@example.com\n\nx\n", "expected one address between < and >"},
		{"a group", "To: NAME: a@example.com;\n\nx\n", "groups of addresses"},
		{"nobody", "To: NAME\n\nx\n", "cannot be used"},
		{"deep", nested(40), "mail: parts nested deeper than 32 levels"},
		{"many parts", "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", 1001) + "--b--\n",
			"mail: more than 1000 parts"},
		{"a long header", strings.Repeat("X-A: b\n", 200_000) + "\nx", "its header is longer than 1048576 bytes"},
	} {
		t.Run(c.label, func(t *testing.T) {
			_, err := edit(eml(c.mail), name("x"))
			require.ErrorContains(t, err, c.want)
			var e *Error
			require.ErrorAs(t, err, &e)
		})
	}
}

// nested is a mail with multiparts in each other.
func nested(levels int) string {
	var b strings.Builder
	for i := range levels {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
	}
	return b.String() + "\nx"
}

// TestUnusualMails are strange but can be changed.
func TestUnusualMails(t *testing.T) {
	for _, c := range []struct{ label, mail, want string }{
		{"not closed", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nNAME",
			"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nBob"},
		{"empty parts", "Content-Type: multipart/mixed; boundary=b\n\n--b\n--b\n\n--b\n\nNAME\n--b--",
			"Content-Type: multipart/mixed; boundary=b\n\n--b\n--b\n\n--b\n\nBob\n--b--"},
		{"an unreadable type", "Content-Type: ;;;\n\nNAME", "Content-Type: ;;;\n\nNAME"},
		{"unreadable parameters", "Content-Type: text/plain; charset=utf-8; x\n\nNAME",
			"Content-Type: text/plain; charset=utf-8; x\n\nBob"},
		{"digest", "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: NAME\n\nNAME\n--b--",
			"Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: NAME\n\nNAME\n--b--"},
		{"two subjects", "Subject: NAME\nSubject: a NAME\n\n", "Subject: Bob\nSubject: a Bob\n\n"},
		{"all header", "Subject: NAME\n", "Subject: Bob\n"},
		{"inline text with a file name", "Content-Type: text/plain\nContent-Disposition: inline; filename=a.txt\n\nNAME",
			"Content-Type: text/plain\nContent-Disposition: inline; filename=a.txt\n\nNAME"},
		{"inline text", "Content-Type: text/plain\nContent-Disposition: inline\n\nNAME",
			"Content-Type: text/plain\nContent-Disposition: inline\n\nBob"},
	} {
		t.Run(c.label, func(t *testing.T) {
			got, err := edit(eml(c.mail), name("Bob"))
			require.NoError(t, err)
			require.Equal(t, string(eml(c.want)), got)
		})
	}
	got, err := edit([]byte("Subject: a NAME\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nNAME\n--b--\n"),
		name("Bob"))
	require.NoError(t, err)
	require.Equal(t, "Subject: a Bob\r\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nBob\n--b--\n", got,
		"bare line feeds")
}

func FuzzEdit(f *testing.F) {
	f.Add(eml(mixed), "Zoë")
	f.Add([]byte("Subject: =?utf-8?Q?a_NAME?=\r\nTo: =?iso-8859-1?B?TkFNRQ==?= <a@b.example>\r\n\r\nNAME"), "a\nb")
	f.Add([]byte("Content-Type: text/plain; charset=windows-1251\r\nContent-Transfer-Encoding: base64\r\n\r\nTkFNRQ=="),
		"ж")
	f.Add([]byte("Content-Type: multipart/mixed; boundary=\"b c\"\n\n--b c\n\nNAME\n--b c--"), "\n--b c\n")
	f.Fuzz(func(t *testing.T, mail []byte, value string) {
		value = strings.ToValidUTF8(value, "?")
		before := bytes.Clone(mail)
		got, err := edit(mail, name(value))
		require.Equal(t, before, mail, "the mail is left as it was")
		if err != nil {
			return
		}
		m, err := Parse(mail)
		require.NoError(t, err)
		again, err := Parse([]byte(got))
		require.NoError(t, err, "%q", got)
		require.Len(t, again.Texts(), len(m.Texts()), "%q", got)
		for i, text := range m.Texts() {
			_, err := again.Texts()[i].Decode()
			require.NoError(t, err, "%q", got)
			require.Equal(t, text.Kind, again.Texts()[i].Kind)
		}
	})
}
