package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/internal/smtptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// receive runs the sink while source sends to it.
func receive(t *testing.T, o *options, s *smtptest.Source) (ok bool, out string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var text bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		s.Address = l.Addr().String()
		_, err := s.Run(ctx)
		if o.Expect == 0 {
			cancel()
		}
		done <- err
	}()
	ok, err = run(ctx, o, l, &text)
	require.NoError(t, err)
	cancel()
	require.NoError(t, <-done)
	return ok, text.String()
}

func TestAllArrive(t *testing.T) {
	dir := t.TempDir()
	ids := filepath.Join(dir, "ids")
	require.NoError(t, os.WriteFile(ids, []byte("1\n20\n"), 0o600))
	o := &options{Stage: "rcpt", Expect: 20, Verify: true, IDs: ids, Dump: filepath.Join(dir, "mails"), Progress: true}
	ok, out := receive(t, o, &smtptest.Source{Messages: 20, Sessions: 3})
	require.True(t, ok, out)
	require.Contains(t, out, "received 20 messages")
	require.Contains(t, out, "missing 0")
	require.Contains(t, out, "missing of "+ids+": 0")
	mails, err := filepath.Glob(filepath.Join(dir, "mails", "*.eml"))
	require.NoError(t, err)
	require.Len(t, mails, 20)
}

func TestMissingIsSaid(t *testing.T) {
	ids := filepath.Join(t.TempDir(), "ids")
	require.NoError(t, os.WriteFile(ids, []byte("5\n6\n"), 0o600))
	ok, out := receive(t, &options{Stage: "rcpt", IDs: ids}, &smtptest.Source{Messages: 5})
	require.False(t, ok)
	require.Contains(t, out, "missing of "+ids+": 1")

	ok, out = receive(t, &options{Stage: "rcpt", Expect: 7, MaxTime: 300 * time.Millisecond},
		&smtptest.Source{Messages: 5})
	require.False(t, ok)
	require.Contains(t, out, "missing 2 [6 7]")
}

func TestShares(t *testing.T) {
	rules, err := shareRules(&options{Stage: "dot", Reject: 0.5, Hang: 0.25, Close: 0.25})
	require.NoError(t, err)
	var shares []float64
	for _, r := range rules {
		require.Equal(t, smtptest.Dot, r.Stage)
		shares = append(shares, r.Share)
	}
	require.InDeltaSlice(t, []float64{0.5, 0.5, 1}, shares, 1e-9, "each of what is left")

	rules, err = shareRules(&options{Stage: "rcpt", Accept: 0.9})
	require.NoError(t, err)
	require.Len(t, rules, 1)
	require.InDelta(t, 0.1, rules[0].Share, 1e-9)
	require.Equal(t, 450, rules[0].Action.Code)

	for _, o := range []options{{Stage: "rcpt", Reject: 0.7, Hang: 0.7}, {Stage: "rcpt", Close: -1}, {Stage: "nowhere"}} {
		_, err := shareRules(&o)
		require.Error(t, err)
	}
}

func TestBadFiles(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	require.NoError(t, os.WriteFile(script, []byte("rcpt * dance\n"), 0o600))
	_, err := newSink(&options{Stage: "rcpt", Script: script})
	require.ErrorContains(t, err, "line 1")
	_, err = missingFrom(script, new(smtptest.Tally))
	require.ErrorContains(t, err, "is not a number")
}

func TestProfile(t *testing.T) {
	ok, out := receive(t, &options{Stage: "rcpt", Profile: "yahoo", PerMinute: 5, MaxTime: 5 * time.Second},
		&smtptest.Source{Messages: 8})
	require.True(t, ok, out)
	require.Contains(t, out, "received 5 messages")
	_, err := newSink(&options{Stage: "rcpt", Profile: "nobody"})
	require.ErrorContains(t, err, "unknown profile")
}
