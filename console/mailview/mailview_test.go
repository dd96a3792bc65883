package mailview_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console/mailview"
)

func parse(t testing.TB, mail string) *mailview.View {
	t.Helper()
	v, err := mailview.Parse(strings.NewReader(mail), int64(len(mail)))
	require.NoError(t, err)
	return v
}

// pixel is the smallest image.
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

const newsletter = "From: =?utf-8?q?Caf=C3=A9?= <news@shop.test>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX-Odd: a\r\n folded\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/related; boundary=i\r\n\r\n" +
	"--i\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe\r\n" +
	"--i\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p style=\"color:#123;position:fixed\">Grüße <img src=\"cid:a%40b\" alt=logo><img src=https://track.test/p.gif></p>\r\n" +
	"--i\r\nContent-Type: image/png\r\nContent-ID: <a@b>\r\nContent-Transfer-Encoding: base64\r\n\r\n" + pixel +
	"\r\n--i--\r\n" +
	"--o\r\nContent-Type: application/pdf; name=\"../../etc/re\u202efdp.exe\"\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--o--\r\n"

func TestParse(t *testing.T) {
	v := parse(t, newsletter)
	require.Equal(t, "Grüße", v.Subject)
	require.Equal(t, mailview.Field{Name: "From", Value: "Café <news@shop.test>"}, v.Header[0])
	require.Equal(t, mailview.Field{Name: "X-Odd", Value: "a folded"}, v.Header[2])
	require.Equal(t, "Grüße", v.Text)
	require.Empty(t, v.Cut)
	var parts []string
	for _, p := range v.Parts {
		require.Empty(t, p.Problem)
		parts = append(parts, fmt.Sprintf("%s %s %s %v %d", p.Number, p.Type, p.Name, p.Attached, p.Size))
	}
	require.Equal(t, []string{"1.1 text/plain  false 7", "1.2 text/html  false 113", "1.3 image/png  false 70",
		"2 application/pdf re⟨U+202E⟩fdp.exe true 3"}, parts)
}

func TestPage(t *testing.T) {
	v := parse(t, newsletter)
	shown, refused := v.Remote()
	require.Equal(t, []bool{true, false}, []bool{shown, refused})
	page := v.Page(false)
	require.Contains(t, page, `<p style="color: #123">Grüße <img src="data:image/png;base64,`+pixel+`" alt="logo">`)
	require.NotContains(t, page, "track.test")
	require.NotContains(t, mailview.PagePolicy(false), "https:")
	page = v.Page(true)
	require.Contains(t, page, `src="https://track.test/p.gif"`)
	require.Contains(t, mailview.PagePolicy(true), "img-src data: https:;")
	require.Empty(t, parse(t, "Subject: x\r\n\r\nno HTML").Page(true))
}

// dangerous finds what could run or load something.
var dangerous = regexp.MustCompile(`(?i)<\s*/?\s*(script|iframe|frame|object|embed|applet|form|input|button|svg|math|style|link|base|video|audio|source|template|noscript|` +
	`textarea|xmp|plaintext)\b|<meta\b[^>]*(http-equiv|refresh)|\son[a-z]+\s*=|javascript:|vbscript:|url\s*\(|expression\s*\(|@import|` +
	`\b(src|background|poster|srcset|action|formaction|lowsrc|dynsrc)\s*=\s*["']?(?:https?:|//|cid:|file:|ftp:)|data:(?:text|application|image/svg)`)

// TestHostileMail shows every mail in testdata/hostile, one attack each, and finds nothing left of it.
func TestHostileMail(t *testing.T) {
	files, err := filepath.Glob("testdata/hostile/*.html")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			attack, err := os.ReadFile(file)
			require.NoError(t, err)
			require.True(t, dangerous.Match(attack), "this is no attack that the test could see")
			v := parse(t, "Content-Type: text/html; charset=utf-8\r\n\r\n"+string(attack))
			for _, remote := range []bool{false, true} {
				page := v.Page(remote)
				if remote {
					page = strings.ReplaceAll(page, `src="https://`, `src="`)
				}
				require.NotRegexp(t, dangerous, page)
				require.NotContains(t, strings.TrimPrefix(page, page[:strings.Index(page, "<body>")]), "<meta")
			}
		})
	}
}

// TestLimits gives too much of everything.
func TestLimits(t *testing.T) {
	for name, c := range map[string]struct {
		mail string
		cut  string
	}{
		"header fields": {strings.Repeat("A: b\r\n", 10_000) + "\r\n", "header fields after"},
		"long field":    {"A: " + strings.Repeat("b", 100_000) + "\r\n\r\n", "the ends of long header fields"},
		"huge header":   {"A: " + strings.Repeat("b", 1<<20) + "\r\n\r\ntext", "the header"},
		"no header":     {"this is\x00 no mail", "the header"},
		"parts": {"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 10_000),
			"parts after"},
		"depth":            {nested(1000), "deeper than"},
		"text":             {"A: b\r\n\r\n" + strings.Repeat(strings.Repeat("x", 100)+"\r\n", 20_000), "text after"},
		"one line of HTML": {"Content-Type: text/html\r\n\r\n" + strings.Repeat("<b>", 1<<20), "HTML after"},
	} {
		t.Run(name, func(t *testing.T) {
			v := parse(t, c.mail)
			require.Contains(t, strings.Join(v.Cut, "; "), c.cut)
			v.Page(true)
		})
	}
	_, err := mailview.Parse(failing{}, 100)
	require.ErrorContains(t, err, "disk is broken")
}

func nested(depth int) string {
	var b strings.Builder
	for i := range depth {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	return b.String() + "\r\nx\r\n"
}

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errors.New("disk is broken") }

func TestBrokenParts(t *testing.T) {
	v := parse(t, "Content-Type: text/html; charset=klingon\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!")
	require.Len(t, v.Parts, 1)
	require.NotEmpty(t, v.Parts[0].Problem)
	v = parse(t, "Content-Type: text/plain\r\n\r\ncaf\xe9 \xff")
	require.Equal(t, "caf\ufffd \ufffd", v.Text)
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain":               "plain",
		"two\r\nlines\ttab":   "two  lines tab",
		"\x1b[31mred\x00":     "␛[31mred␀",
		"inv\u202eoice":       "inv⟨U+202E⟩oice",
		"\u200bzero\ufeff":    "⟨U+200B⟩zero⟨U+FEFF⟩",
		"bad \xff":            "bad \ufffd",
		"नमस्\u200dते":        "नमस्\u200dते",
		"\x7f\u2028\u0085end": "␡⟨U+2028⟩⟨U+0085⟩end",
	} {
		require.Equal(t, want, mailview.Printable(in))
	}
}

func FuzzView(f *testing.F) {
	f.Add([]byte(newsletter))
	files, _ := filepath.Glob("testdata/hostile/*.html")
	for _, file := range files {
		attack, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(append([]byte("Content-Type: text/html\r\n\r\n"), attack...))
	}
	f.Fuzz(func(t *testing.T, mail []byte) {
		v, err := mailview.Parse(bytes.NewReader(mail), int64(len(mail)))
		require.NoError(t, err)
		v.Remote()
		page := v.Page(false)
		for _, forbidden := range []string{"<script", "<iframe", "<form", "<svg", "<style", "<object", "<link", "<base"} {
			require.NotContains(t, strings.ToLower(page), forbidden)
		}
	})
}

func ExampleView_Page() {
	mail := "Content-Type: text/html\r\n\r\n<p onclick=alert(1)>Hello <script>alert(2)</script><a href=\"javascript:alert(3)\">you</a></p>"
	v, err := mailview.Parse(strings.NewReader(mail), int64(len(mail)))
	if err != nil {
		fmt.Println(err)
		return
	}
	page := v.Page(false)
	fmt.Println(page[strings.Index(page, "<body>"):])
	// Output: <body><p>Hello you</p></body></html>
}
