package dkim_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/dkim"
	"github.com/sluicemail/sluice/internal/mailsuite"
	"github.com/stretchr/testify/require"
)

// The cases are files: a mail, the zone with its keys, and a line of JSON for each result. A file "options" may say
// "now", "partial yes" and "keybits".
func TestSuite(t *testing.T) {
	mailsuite.Run(t, "testdata/*.txt", func(t *testing.T, c mailsuite.Case) {
		checker := &dkim.Checker{Resolver: c.Zone, AcceptPartial: c.Setting("options", "partial") == "yes"}
		if now := c.Setting("options", "now"); now != "" {
			at, err := time.Parse(time.RFC3339, now)
			require.NoError(t, err)
			checker.Now = func() time.Time { return at }
		}
		results, err := checker.Check(t.Context(), mailOf(c.Mail))
		require.NoError(t, err)
		want := strings.Split(strings.TrimSpace(c.Want), "\n")
		require.Len(t, results, len(want), "%s", jsons(results))
		for i := range want {
			require.JSONEq(t, want[i], string(results[i].JSON))
		}
	})
}

func mailOf(mail []byte) *checks.Mail {
	return &checks.Mail{Header: mailsuite.Header(mail), Body: bytes.NewReader(mail)}
}

// jsons returns the JSON of results, one a line, and sees to it that each says what the result says.
func jsons(results []checks.Result) string {
	lines := make([]string, len(results))
	for i, r := range results {
		lines[i] = string(r.JSON)
		var fields map[string]any
		if err := json.Unmarshal(r.JSON, &fields); err != nil || fields["dkim"] != string(r.Verdict) {
			lines[i] += " (not as the result says)"
		}
	}
	return strings.Join(lines, "\n")
}
