package mtatest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Attempt is one line of the machine-readable send log.
type Attempt struct {
	Recipient string
	Envelope  string
	Tags      []string
	Results   []Outcome

	Line string
}

// Outcome is what a test looks at of a result.
type Outcome struct {
	State, Result       string
	Code                int
	Status, Description string
	From, To, MTA       string
}

// Pair returns state and result as spec and people write them.
func (o Outcome) Pair() string { return o.State + "/" + o.Result }

// Last returns the result of the attempt.
func (a Attempt) Last() Outcome {
	if len(a.Results) == 0 {
		return Outcome{}
	}
	return a.Results[len(a.Results)-1]
}

// SendLog names a fresh file for the machine-readable send log, and the setting for it.
func SendLog(t testing.TB) (file string, set Settings) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "send.json")
	return file, Settings{"send-bin-log-file": file}
}

// Attempts reads a machine-readable send log as far as it is written.
func Attempts(t testing.TB, file string) []Attempt {
	t.Helper()
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	var all []Attempt
	for line := range bytes.Lines(text) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // half written
		}
		a := Attempt{Line: string(line)}
		require.NoError(t, json.Unmarshal(line, &a), "line of the send log: %s", line)
		all = append(all, a)
	}
	return all
}

// AttemptsOf returns the attempts for one recipient.
func AttemptsOf(t testing.TB, file, recipient string) []Attempt {
	t.Helper()
	var own []Attempt
	for _, a := range Attempts(t, file) {
		if a.Recipient == recipient {
			own = append(own, a)
		}
	}
	return own
}

// AwaitAttempts waits until a recipient has had n attempts, and returns them.
func AwaitAttempts(t testing.TB, file, recipient string, n int) []Attempt {
	t.Helper()
	var own []Attempt
	Eventually(t, "attempts for "+recipient, func() bool {
		own = AttemptsOf(t, file, recipient)
		return len(own) >= n
	})
	require.Len(t, own, n, "attempts for %s", recipient)
	return own
}

// Lines returns the complete lines of a file; none when it is not there.
func Lines(t testing.TB, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	all := strings.Split(string(text), "\n")
	return all[:len(all)-1]
}
