package clamd_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/checkstest"
	"github.com/sluicemail/sluice/checks/clamd"
	"github.com/sluicemail/sluice/internal/testserver"
)

func mail(text string) *checks.Mail {
	return &checks.Mail{Body: bytes.NewReader([]byte("From: a@example.org\r\nSubject: hello\r\n\r\n" + text + "\r\n"))}
}

// TestClamd is all that is said to a real clamd, over both kinds of sockets.
func TestClamd(t *testing.T) {
	server := testserver.Clamd(t)
	for name, address := range map[string]string{"tcp": "tcp://" + server.TCP, "unix": "unix://" + server.Unix} {
		t.Run(name, func(t *testing.T) {
			checker := &clamd.Checker{Service: checks.Service{Address: address, Connections: 2}}
			long := strings.Repeat("All is well with this line of text.\r\n", 5000) // several pieces
			for _, c := range []struct {
				text, json string
				verdict    checks.Verdict
			}{
				{"hello", `{"virus":"clean"}`, checks.Pass},
				{long, `{"virus":"clean"}`, checks.Pass},
				{testserver.Eicar, `{"virus":"found","signature":"Eicar-Test-Signature.UNOFFICIAL"}`, checks.Fail},
				{long + testserver.TestVirus, `{"virus":"found","signature":"Sluice.TestVirus.UNOFFICIAL"}`, checks.Fail},
				{strings.Repeat(long, 20), `{"virus":"permerror"}`, checks.PermError}, // beyond StreamMaxLength
			} {
				results, err := checker.Check(context.Background(), mail(c.text))
				require.NoError(t, err)
				require.Len(t, results, 1)
				require.JSONEq(t, c.json, string(results[0].JSON))
				require.Equal(t, c.verdict, results[0].Verdict)
			}
			state, err := checker.Probe(context.Background())
			require.NoError(t, err)
			require.True(t, state.Up)
			require.True(t, strings.HasPrefix(state.Version, "ClamAV 1."), state.Version)
			checkstest.Run(t, func(*testing.T) checks.Checker { return checker })
		})
	}
}
