package authres_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/authres"
	"github.com/sluicemail/sluice/internal/mailsuite"
	"github.com/stretchr/testify/require"
)

// dump shows a header in lines, as the cases have it.
func dump(h *authres.Header, err error) string {
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	if h.Instance > 0 {
		fmt.Fprintf(&b, "instance %d\n", h.Instance)
	}
	fmt.Fprintf(&b, "id %s\n", h.ID)
	for _, r := range h.Results {
		fmt.Fprintf(&b, "%s %s", r.Check, r.Verdict)
		if r.Reason != "" {
			fmt.Fprintf(&b, " %q", r.Reason)
		}
		for _, p := range r.Properties {
			fmt.Fprintf(&b, " %s=%s", p.Name, p.Value)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// The cases are files: a field as its value stands in a mail, and what it says.
func TestParse(t *testing.T) {
	mailsuite.Run(t, "testdata/*.txt", func(t *testing.T, c mailsuite.Case) {
		h, err := authres.Parse(string(mailsuite.CRLF(c.Files["field"])))
		require.Equal(t, c.Want, dump(h, err))
		if err != nil {
			return
		}
		field := string(h.Append(nil)) // and what is written says the same
		_, value, _ := strings.Cut(field, ":")
		require.Equal(t, c.Want, dump(authres.Parse(value)))
	})
}

func TestAppend(t *testing.T) {
	h := authres.Header{ID: "mx.example.org", Results: []checks.Result{
		{Check: "spf", Verdict: checks.Pass, Properties: []checks.Property{{Name: "smtp.mailfrom",
			Value: "ann@example.org"}}},
		{Check: "dkim", Verdict: checks.Fail, Reason: `body was "changed"`, Properties: []checks.Property{
			{Name: "header.d", Value: "example.org"}, {Name: "header.i", Value: "@example.org"},
			{Name: "header.b", Value: "ab/+cd=="}}},
	}}
	require.Equal(t, "Authentication-Results: mx.example.org;\r\n"+
		"\tspf=pass smtp.mailfrom=ann@example.org;\r\n"+
		"\tdkim=fail reason=\"body was \\\"changed\\\"\" header.d=example.org\r\n"+
		"\theader.i=@example.org header.b=\"ab/+cd==\"\r\n", string(h.Append(nil)))

	none := authres.Header{ID: "mx.example.org"}
	require.Equal(t, "X: y\r\nAuthentication-Results: mx.example.org; none\r\n", string(none.Append([]byte("X: y\r\n"))))
}

// What a sender chose to put into a value cannot leave it.
func TestAppendHostile(t *testing.T) {
	evil := "a\r\nX-Evil: 1\r\n\r\n\"; dmarc=pass (\\"
	h := authres.Header{ID: "mx.example.org", Results: []checks.Result{
		{Check: "spf", Verdict: checks.Fail, Reason: evil, Properties: []checks.Property{
			{Name: "smtp.mailfrom", Value: evil}, {Name: "smtp.helo", Value: strings.Repeat("x", 5000)},
			{Name: evil, Value: "x"}}},
		{Check: evil, Verdict: "pass"}, {Check: "dmarc", Verdict: checks.Verdict(evil)},
		{Check: "long", Verdict: "none", Reason: strings.Repeat("ü", 5000)},
	}}
	field := string(h.Append(nil))
	for line := range strings.Lines(field) {
		require.Less(t, len(line), 998)
	}
	require.Equal(t, 1, strings.Count("\r\n"+field, "\r\nA"))
	require.NotContains(t, field, "\nX-Evil")
	back, err := authres.Parse(strings.TrimPrefix(field, "Authentication-Results:"))
	require.NoError(t, err)
	require.Len(t, back.Results, 2)
	require.Equal(t, "spf", back.Results[0].Check)
	require.Len(t, back.Results[0].Properties, 1)
}

func TestRemove(t *testing.T) {
	header, err := os.ReadFile("testdata/forged.eml")
	require.NoError(t, err)
	mail := mailsuite.CRLF(string(header))
	want := []string{"Received: from x", "Authentication-Results: mx.other.example; dkim=pass",
		"ARC-Authentication-Results: i=1; mx.example.org; dkim=pass",
		"authentication-results: notmx.example.org; spf=pass", "X-Authentication-Results: mx.example.org; spf=pass",
		"Subject: forged", "", "Authentication-Results: mx.example.org; text"}
	require.Equal(t, strings.Join(want, "\r\n")+"\r\n", string(authres.Remove(mail, "MX.example.org")))
}

func FuzzParse(f *testing.F) {
	f.Add("mx.example.org 1; spf=pass (ok) smtp.mailfrom=a@b; dkim/1 = fail reason=\"x\\\"\" header . d = c")
	f.Add("i=1; x; none")
	f.Add("\"a b\"; x=y p.q=\"l\"@d;")
	f.Fuzz(func(t *testing.T, value string) {
		h, err := authres.Parse(value)
		if err != nil {
			require.Nil(t, h)
			return
		}
		field := string(h.Append(nil))
		require.NotContains(t, strings.ReplaceAll(field, "\r\n\t", ""), "\r\n\r")
		_, again, _ := strings.Cut(field, ":")
		back, err := authres.Parse(again)
		require.NoError(t, err, "%q", field)
		require.Len(t, back.Results, len(h.Results))
		// A mail that bears this id loses it.
		mail := []byte("Authentication-Results:" + again + "\r\n")
		if h.Instance == 0 {
			require.Equal(t, "\r\n", string(authres.Remove(mail, back.ID)))
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	h := authres.Header{ID: "mx.example.org", Results: []checks.Result{{Check: "spf", Verdict: "pass",
		Properties: []checks.Property{{Name: "smtp.mailfrom", Value: "ann@example.org"}}}}}
	buf := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		buf = h.Append(buf[:0])
	}
}
