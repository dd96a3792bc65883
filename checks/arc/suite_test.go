package arc_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/arc"
	"github.com/sluicemail/sluice/internal/mailsuite"
	"github.com/stretchr/testify/require"
)

// The cases are files: a mail, the zone with its keys, and the JSON of the result.
func TestSuite(t *testing.T) {
	mailsuite.Run(t, "testdata/*.txt", func(t *testing.T, c mailsuite.Case) {
		r := check(t, &arc.Checker{Resolver: c.Zone}, c.Mail)
		require.JSONEq(t, c.Want, string(r.JSON))
	})
}

// check returns the one result, having seen to it that its JSON says the same.
func check(t *testing.T, checker *arc.Checker, mail []byte) checks.Result {
	t.Helper()
	results, err := checker.Check(t.Context(), mailOf(mail))
	require.NoError(t, err)
	require.Len(t, results, 1)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(results[0].JSON, &fields))
	require.Equal(t, string(results[0].Verdict), fields["arc"])
	return results[0]
}

func mailOf(mail []byte) *checks.Mail {
	return &checks.Mail{Header: mailsuite.Header(mail), Body: bytes.NewReader(mail)}
}
