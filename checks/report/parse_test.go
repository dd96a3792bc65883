package report

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write what is parsed into testdata/parsed")

func parse(mail []byte) (*Report, error) { return Parse(bytes.NewReader(mail), int64(len(mail))) }

// TestParse reads the mails in testdata and compares what they say with the files in testdata/parsed.
func TestParse(t *testing.T) {
	files, err := filepath.Glob("testdata/*.eml")
	require.NoError(t, err)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".eml")
		t.Run(name, func(t *testing.T) {
			mail, err := os.ReadFile(file)
			require.NoError(t, err)
			got := outcome(t, mail)
			golden := filepath.Join("testdata", "parsed", name+".json")
			if strings.HasPrefix(name, "none") {
				require.Equal(t, ErrNone.Error(), got)
				return
			}
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got+"\n"), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, strings.TrimSpace(string(want)), got)
			mail = bytes.ReplaceAll(mail, []byte("\n"), []byte("\r\n"))
			require.Equal(t, got, strings.ReplaceAll(outcome(t, mail), `\r\n`, `\n`), "with CRLF")
			for i := 0; i < len(mail); i += 1 + i/20 {
				_, _ = parse(mail[:i]) // cut anywhere, it must only not panic
			}
		})
	}
}

// outcome writes what is parsed, or the error.
func outcome(t *testing.T, mail []byte) string {
	t.Helper()
	r, err := parse(mail)
	if err != nil {
		return err.Error()
	}
	hideHeader(r)
	text, err := json.MarshalIndent(r, "", "\t")
	require.NoError(t, err)
	return string(text)
}

// hideHeader takes out what would only make the files longer.
func hideHeader(r *Report) {
	for _, o := range []**Original{
		at(r.Delivery, func(d *Delivery) **Original { return &d.Original }),
		at(r.Reading, func(d *Reading) **Original { return &d.Original }),
		at(r.Feedback, func(d *Feedback) **Original { return &d.Original }),
	} {
		if o != nil && *o != nil {
			(*o).Header = nil
		}
	}
}

func at[T any](v *T, f func(*T) **Original) **Original {
	if v == nil {
		return nil
	}
	return f(v)
}

func gzipped(t testing.TB, write func(io.Writer)) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	write(w)
	require.NoError(t, w.Close())
	return b.Bytes()
}

const aggregateStart = `<?xml version="1.0"?><feedback><report_metadata><org_name>r</org_name></report_metadata>` +
	`<policy_published><domain>sender.example</domain></policy_published>`

// TestBombs shows that what is compressed cannot fill the memory, and that entities are not expanded.
func TestBombs(t *testing.T) {
	record := "<record><row><source_ip>192.0.2.1</source_ip><count>1</count></row></record>\n"
	for _, c := range []struct {
		name, file string
		data       []byte
		want       string
	}{
		{"unpacked size", "a!b!1!2.xml.gz", gzipped(t, func(w io.Writer) {
			fmt.Fprint(w, aggregateStart)
			blank := bytes.Repeat([]byte(" "), 1<<20)
			for range 70 {
				_, _ = w.Write(blank)
			}
		}), "too large"},
		{"records", "a!b!1!2.xml.gz", gzipped(t, func(w io.Writer) {
			fmt.Fprint(w, aggregateStart)
			for range 100_000 {
				fmt.Fprint(w, record)
			}
		}), "more than 16777216 bytes when read"},
		{"entities", "a!b!1!2.xml",
			[]byte(`<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>` +
				`<feedback><report_metadata><org_name>&b;&b;</org_name></report_metadata><policy_published><domain>d</domain></policy_published></feedback>`), ""},
		{"nesting", "a!b!1!2.xml", []byte(aggregateStart + "<record>" + strings.Repeat("<x>", 200_000)), "line 1"},
		{"results", "a!b!1!2.xml.gz", gzipped(t, func(w io.Writer) {
			fmt.Fprint(w, aggregateStart)
			for range 6_000 {
				fmt.Fprint(w, "<record><auth_results>", strings.Repeat("<dkim/>", 120), "</auth_results></record>")
			}
		}), "more than 16777216 bytes when read"},
		{"results of one record", "a!b!1!2.xml.gz", gzipped(t, func(w io.Writer) {
			fmt.Fprint(w, aggregateStart, "<record><auth_results>", strings.Repeat("<dkim/>", 30_000),
				"</auth_results></record></feedback>")
		}), ""},
		{"attributes", "a!b!1!2.xml.gz", gzipped(t, func(w io.Writer) {
			fmt.Fprint(w, aggregateStart, "<record ", strings.Repeat("a ", 200_000), "/></feedback>")
		}), "an element of more than 262144 bytes"},
		{"TLS policies", "a.json.gz", gzipped(t, func(w io.Writer) {
			fmt.Fprint(w, `{"organization-name":"x","report-id":"7","contact-info":"y","policies":[`,
				strings.Repeat("{},", 100_000), "{}]}")
		}), "more than 16777216 bytes when read"},
		{"TLS strings", "a.json.gz", gzipped(t, func(w io.Writer) {
			fmt.Fprint(w, `{"organization-name":"x","report-id":"7","contact-info":"y","policies":[{"policy":{"mx-host":[`,
				strings.Repeat(`"",`, 2_000_001), `""]}}]}`)
		}), "more than 50000 values in an element"},
		{"TLS size", "a.json.gz", gzipped(t, func(w io.Writer) {
			fmt.Fprint(w, `{"organization-name":"x","report-id":"7","contact-info":"`, strings.Repeat("y", maxTLS), `"}`)
		}), "an element of more than 4194304 bytes"},
		{"TLS failures", "a.json.gz", gzipped(t, func(w io.Writer) {
			fmt.Fprint(w, `{"organization-name":"x","report-id":"7","contact-info":"y","policies":[{"failure-details":[`,
				strings.Repeat(`{},`, maxObjects+2000), `{}]}]}`)
		}), "more than 10000 objects in an element"},
		{"TLS blanks", "a.json.gz", gzipped(t, func(w io.Writer) {
			fmt.Fprint(w, `{"organization-name":"x","report-id":"7","contact-info":"y","policies":[`)
			for range maxTLS >> 20 {
				fmt.Fprint(w, `{"x":1}`, strings.Repeat(" ", 1<<20), ",")
			}
			fmt.Fprint(w, "{}]}")
		}), "more than 16777216 bytes when unpacked"},
		{"a text", "a!b!1!2.xml.gz", gzipped(t, func(w io.Writer) {
			fmt.Fprint(w, "<feedback><report_metadata><org_name>", strings.Repeat("x", 30<<20))
		}), "an element of more than 262144 bytes"},
		{"a comment", "a!b!1!2.xml.gz", gzipped(t, func(w io.Writer) {
			fmt.Fprint(w, aggregateStart, "<!--", strings.Repeat("<", 30<<20))
		}), "an element of more than 262144 bytes"},
		{"nesting outside of records", "a!b!1!2.xml.gz", gzipped(t, func(w io.Writer) {
			fmt.Fprint(w, aggregateStart, strings.Repeat("<x>", 1<<20))
		}), "more than 32 elements within each other"},
		{"no list", "a.json", []byte(`{"organization-name":"x","report-id":"7","contact-info":"y","policies":{}}`),
			"expected ["},
		{"zip of zips", "a!b!1!2.zip", zipped(t, zipped(t, []byte(aggregateStart))), "not a report"},
		{"no domain", "a!b!1!2.xml", []byte("<feedback><report_metadata></report_metadata></feedback>"), "names no domain"},
		{"JSON without policies", "a.json",
			[]byte(`{"organization-name":"x","report-id":"7","contact-info":"y","date-range":{}}`),
			`report "7" has no policies`},
		{"wrong types", "a.json",
			[]byte(`{"organization-name":"x","report-id":"7","contact-info":"y","policies":[{"summary":{"total-successful-session-count":"many"}}]}`), "tlsrpt"},
	} {
		t.Run(c.name, func(t *testing.T) {
			mail := []byte(multipart("mixed", attachment(c.file, c.data)))
			r, err := requireHeap(t, mail)
			if c.want == "" {
				require.NoError(t, err)
				require.NotContains(t, r.Auth.Organisation, "aaaa")
				for _, record := range r.Auth.Records {
					require.LessOrEqual(t, len(record.DKIMResults), maxList)
				}
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

func zipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create("a!b!1!2.xml")
	require.NoError(t, err)
	_, err = f.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func TestNothingToRead(t *testing.T) {
	for mail, want := range map[string]string{
		multipart("report",
			"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n"): "names no recipient",
		multipart("report",
			"Content-Type: message/disposition-notification\r\n\r\nFinal-Recipient: rfc822; a@b\r\n"): "no disposition",
		multipart("report",
			"Content-Type: message/feedback-report\r\n\r\nVersion: 1\r\n"): "has no type",
		multipart("report", "Content-Type: message/delivery-status\r\n\r\n"+
			strings.Repeat("Action: failed\r\n\r\n", 10_001)): "more than 10000",
		"Subject: x\r\n\r\ntext": "not a report",
		"":                       "not a report",
	} {
		_, err := parse([]byte(mail))
		require.ErrorContains(t, err, want)
	}
	_, err := Parse(failing{}, 1000)
	require.ErrorContains(t, err, "disk is broken")
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.eml")
	for _, file := range files {
		mail, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(mail)
	}
	f.Fuzz(func(t *testing.T, mail []byte) {
		r, err := parse(mail)
		if err == nil {
			require.NotEqual(t, None, r.Kind)
			require.True(t, r.Delivery != nil || r.Reading != nil || r.Feedback != nil || r.Auth != nil || r.TLS != nil)
		}
	})
}

func BenchmarkParseBounce(b *testing.B) {
	mail, err := os.ReadFile("testdata/dsn-bounce.eml")
	require.NoError(b, err)
	for b.Loop() {
		if _, err := parse(mail); err != nil {
			b.Fatal(err)
		}
	}
}

// TestNobodyIsInvented shows that every recipient of a bounce is one that the mail names.
func TestNobodyIsInvented(t *testing.T) {
	files, err := filepath.Glob("testdata/dsn-*.eml")
	require.NoError(t, err)
	for _, file := range files {
		mail, err := os.ReadFile(file)
		require.NoError(t, err)
		r, err := parse(mail)
		if err != nil {
			continue
		}
		text := strings.ReplaceAll(string(mail), "=\n", "")
		for encoded := range strings.SplitSeq(text, "\n\n") {
			decoded, _ := base64.StdEncoding.DecodeString(strings.ReplaceAll(encoded, "\n", ""))
			text += string(decoded)
		}
		for _, to := range r.Delivery.Recipients {
			if !strings.Contains(to.Final, `\x{`) && !strings.Contains(text, `\x{`) {
				require.Contains(t, text, to.Final, file)
			}
		}
	}
}
