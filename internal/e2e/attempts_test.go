package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// attempt is one line of the machine-readable send log.
type attempt struct {
	Recipient string
	Envelope  string
	Tags      []string
	Results   []outcome

	line string
}

// outcome is what a test looks at of a result.
type outcome struct {
	State, Result       string
	Code                int
	Status, Description string
	To, MTA             string
}

// pair returns state and result as spec and people write them.
func (o outcome) pair() string { return o.State + "/" + o.Result }

// last returns the result of the attempt.
func (a attempt) last() outcome {
	if len(a.Results) == 0 {
		return outcome{}
	}
	return a.Results[len(a.Results)-1]
}

// sendLog names a fresh file for the machine-readable send log, and the setting for it.
func sendLog(t testing.TB) (file string, set settings) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "send.json")
	return file, settings{"send-bin-log-file": file}
}

// attempts reads a machine-readable send log as far as it is written.
func attempts(t testing.TB, file string) []attempt {
	t.Helper()
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	var all []attempt
	for line := range bytes.Lines(text) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // half written
		}
		a := attempt{line: string(line)}
		require.NoError(t, json.Unmarshal(line, &a), "line of the send log: %s", line)
		all = append(all, a)
	}
	return all
}

// attemptsOf returns the attempts for one recipient.
func attemptsOf(t testing.TB, file, recipient string) []attempt {
	t.Helper()
	var own []attempt
	for _, a := range attempts(t, file) {
		if a.Recipient == recipient {
			own = append(own, a)
		}
	}
	return own
}

// awaitAttempts waits until a recipient has had n attempts, and returns them.
func awaitAttempts(t testing.TB, file, recipient string, n int) []attempt {
	t.Helper()
	var own []attempt
	eventually(t, "attempts for "+recipient, func() bool {
		own = attemptsOf(t, file, recipient)
		return len(own) >= n
	})
	require.Len(t, own, n, "attempts for %s", recipient)
	return own
}
