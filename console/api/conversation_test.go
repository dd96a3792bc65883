package api_test

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// step is one request of a conversation and what is expected:
//
//	> POST /v1/pauses domain=example.com
//	< 200 {"domain":"example.com"}
//
// After the status stands the whole JSON of the answer; or, after ~, parts of its text, with | between. Lines that
// begin with # are remarks.
type step struct {
	line               int
	method, path, body string
	status             int
	want               string
}

func readConversation(t *testing.T, file string) []step {
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	var steps []step
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		mark, rest, _ := strings.Cut(lines.Text(), " ")
		switch mark {
		case ">":
			parts := append(strings.SplitN(rest, " ", 3), "", "")
			steps = append(steps, step{line: n, method: parts[0], path: parts[1], body: parts[2]})
		case "<":
			status, want, _ := strings.Cut(rest, " ")
			last := &steps[len(steps)-1]
			last.status, err = strconv.Atoi(status)
			require.NoError(t, err, "%s:%d", file, n)
			last.want = want
		default:
			require.True(t, mark == "" || strings.HasPrefix(mark, "#"), "%s:%d: %q", file, n, lines.Text())
		}
	}
	require.NoError(t, lines.Err())
	return steps
}

func (s *step) compare(t *testing.T, file string, got answer) {
	t.Helper()
	parts, partly := strings.CutPrefix(s.want, "~ ")
	switch {
	case partly:
		for part := range strings.SplitSeq(parts, " | ") {
			require.Contains(t, got.body, part, "%s:%d", file, s.line)
		}
	case s.want != "":
		require.JSONEq(t, s.want, got.body, "%s:%d", file, s.line)
	}
}
