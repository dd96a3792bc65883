package dmarc_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/dmarc"
	"github.com/sluicemail/sluice/internal/mailsuite"
	"github.com/stretchr/testify/require"
)

// The cases are files: a mail, the zone, what SPF and DKIM said in a file "earlier" with lines like "spf pass
// a@example.org", "spf.helo pass mx.example.org", "dkim pass example.org", and the JSON of the result. A file "options"
// may say "treeonly yes"; a file "queries" lists the questions to the DNS, in order.
func TestSuite(t *testing.T) {
	mailsuite.Run(t, "testdata/*.txt", func(t *testing.T, c mailsuite.Case) {
		checker := &dmarc.Checker{Resolver: c.Zone, TreeWalkOnly: c.Setting("options", "treeonly") == "yes"}
		r := check(t, checker, c.Mail, earlier(c.Files["earlier"]))
		require.JSONEq(t, c.Want, string(r.JSON))
		if want, ok := c.Files["queries"]; ok {
			require.Equal(t, strings.TrimSpace(want), strings.Join(c.Zone.Queries(), "\n"))
		}
	})
}

// check returns the one result, having seen to it that its parts agree.
func check(t *testing.T, checker *dmarc.Checker, mail []byte, earlier []checks.Result) checks.Result {
	t.Helper()
	results, err := checker.Check(t.Context(), &checks.Mail{
		Header: mailsuite.Header(mail), Body: bytes.NewReader(mail), Earlier: earlier})
	require.NoError(t, err)
	require.Len(t, results, 1)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(results[0].JSON, &fields))
	require.Equal(t, string(results[0].Verdict), fields["dmarc"])
	detail := results[0].Detail.(checks.DMARC)
	if disposition, ok := fields["disposition"]; ok {
		require.Equal(t, detail.Disposition, disposition)
	} else {
		require.Equal(t, "none", detail.Disposition)
	}
	return results[0]
}

// earlier makes results of lines: the check, its verdict, and whom it is about.
func earlier(text string) []checks.Result {
	results := []checks.Result{{Check: "spam", Verdict: checks.Pass}}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		check, kind, _ := strings.Cut(words[0], ".")
		name := map[string]string{"spf": "smtp.mailfrom", "spfhelo": "smtp.helo", "dkim": "header.d"}[check+kind]
		r := checks.Result{Check: check, Verdict: checks.Verdict(words[1])}
		if len(words) > 2 {
			r.Properties = []checks.Property{{Name: "other", Value: "x"}, {Name: name, Value: words[2]}}
		}
		results = append(results, r)
	}
	return results
}
