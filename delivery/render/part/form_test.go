package part

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// printed has the texts of a mail printed from pieces: the ones with even numbers are literals, the others values.
func printed(t *testing.T, mail []byte, pieces []string) string {
	m, err := Parse(mail)
	require.NoError(t, err)
	var literals []string
	for i := 0; i < len(pieces); i += 2 {
		literals = append(literals, pieces[i])
	}
	c := m.Change()
	defer c.Close()
	for _, text := range m.Texts() {
		w := c.Print(text.Form(literals))
		for i, piece := range pieces {
			if i%2 == 0 {
				w.Literal(i / 2)
			} else {
				w.Value([]byte(piece))
			}
		}
		require.NoError(t, w.End())
	}
	return string(c.Append(nil))
}

// inForms is a mail with a part in each form that a part can have.
func inForms() []byte {
	var b strings.Builder
	b.WriteString("Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n")
	for _, charset := range []string{"us-ascii", "utf-8", "iso-8859-1"} {
		for _, encoding := range []string{"7bit", "8bit", "quoted-printable", "base64"} {
			b.WriteString("--b\nContent-Type: text/plain; charset=" + charset + "\nContent-Transfer-Encoding: " + encoding +
				"\n\nVGV4dA==\n")
		}
	}
	return eml(b.String() + "--b\nContent-Type: text/html\n\nx\n--b--\n")
}

// FuzzForm prints a text piece by piece: the mail is the same as when the text is set as a whole.
func FuzzForm(f *testing.F) {
	for _, s := range []string{
		"Hi |Ann|,\r\nthis is for |you|.\r\n", "a\r|\n|b\r\n|\r|\n", "a\r|\r\n|\n\r|", "|--b|\r\n-|-b|--\r\n", "\n--|b|\nx\n--b\n|",
		" |\t|\r\n| |\nlonger \nlines\n", "ü\nü\nü|ü|\x00|\x00|", "a\n\x00\nb", "=?utf-8?Q?x?=|=|", "\r\n|.|\r\n",
		strings.Repeat("x", 900) + "|" + strings.Repeat("y", 98) + "|\nz|" + strings.Repeat("y", 999), "a\n" +
			strings.Repeat("x", 999) + "\nb|c", strings.Repeat("w ", 60) + "|" + strings.Repeat("é", 60) + "|--\r\n",
	} {
		f.Add(s)
	}
	mail := inForms()
	f.Fuzz(func(t *testing.T, s string) {
		pieces := strings.Split(strings.ToValidUTF8(s, "?"), "|")
		m, err := Parse(mail)
		require.NoError(t, err)
		c := m.Change()
		for _, text := range m.Texts() {
			require.NoError(t, c.Set(text, []byte(strings.Join(pieces, ""))))
		}
		want := string(c.Append(nil))
		c.Close()
		require.Equal(t, want, printed(t, mail, pieces))
	})
}

// TestFormIsUsedAgain has one form print other values at a time.
func TestFormIsUsedAgain(t *testing.T) {
	m, err := Parse(eml("Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nx\n"))
	require.NoError(t, err)
	form := m.Texts()[0].Form([]string{"Dear ", ",\r\n<p style=\"a\">\r\nYours ", "\r\n"})
	for _, name := range []string{"Ann", "Zoë", "a\r\nb ", strings.Repeat("long ", 30)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 100 {
				c := m.Change()
				w := c.Print(form)
				for n := range 3 {
					w.Literal(n)
					if n < 2 {
						w.Value([]byte(name))
					}
				}
				if err := w.End(); err != nil {
					t.Error(err)
				}
				again, err := Parse(c.Append(nil))
				if err != nil {
					t.Error(err)
				}
				c.Close()
				text, err := again.Texts()[0].Decode()
				if want := "Dear " + name + ",\r\n<p style=\"a\">\r\nYours " + name + "\r\n"; err != nil || string(text) != want {
					t.Errorf("%v, %q is not %q", err, text, want)
				}
			}
		})
	}
}
