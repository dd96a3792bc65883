package spamd_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/checkstest"
	"github.com/sluicemail/sluice/checks/spamd"
	"github.com/sluicemail/sluice/internal/testserver"
)

const gtube = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"

func body(text string) checks.Body {
	return bytes.NewReader([]byte("From: a@example.org\r\nTo: b@example.org\r\nSubject: hello\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n" +
		"Message-ID: <1@example.org>\r\n\r\n" + text + "\r\n"))
}

// TestSpamd is all that is said to a real spamd.
func TestSpamd(t *testing.T) {
	checker := &spamd.Checker{Service: checks.Service{Address: testserver.Spamd(t), Connections: 2}}
	ctx := context.Background()
	require.Equal(t, "not asked yet", checker.State().String())

	t.Run("GTUBE is spam", func(t *testing.T) {
		results, err := checker.Check(ctx, &checks.Mail{Body: body(gtube)})
		require.NoError(t, err)
		require.Len(t, results, 1)
		require.Equal(t, checks.Fail, results[0].Verdict)
		score := results[0].Detail.(spamd.Score)
		require.True(t, score.Spam)
		require.Greater(t, score.Score, 900.0)
		require.Equal(t, 5.0, score.Threshold)
		require.Contains(t, score.Symbols, "GTUBE")
		require.True(t, strings.HasPrefix(string(results[0].JSON), `{"spam":"yes","score":`), string(results[0].JSON))
	})
	t.Run("plain mail is none", func(t *testing.T) {
		// more than a buffer
		results, err := checker.Check(ctx, &checks.Mail{Body: body(strings.Repeat("Shall we meet for lunch?\r\n", 6000))})
		require.NoError(t, err)
		require.Equal(t, checks.Pass, results[0].Verdict, results[0].Reason)
		require.Contains(t, string(results[0].JSON), `"threshold":5,"symbols":[`)
	})
	t.Run("many at once", func(t *testing.T) {
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				results, err := checker.Check(ctx, &checks.Mail{Body: body(gtube)})
				if err != nil || results[0].Verdict != checks.Fail {
					t.Errorf("%v, %v", results, err)
				}
			})
		}
		all.Wait()
	})
	t.Run("probe", func(t *testing.T) {
		state, err := checker.Probe(ctx)
		require.NoError(t, err)
		require.True(t, state.Up)
		require.True(t, strings.HasPrefix(state.Version, "SpamAssassin 4"), state.Version)
	})
	t.Run("learn", func(t *testing.T) {
		mail := body("Buy our wonderful watches, cheap replica watches, now")
		for _, step := range []struct {
			class spamd.Class
			want  bool
		}{{spamd.Spam, true}, {spamd.Spam, false}, {spamd.Forget, true}, {spamd.Ham, true}} {
			changed, err := checker.Learn(ctx, mail, "", step.class)
			require.NoError(t, err)
			require.Equal(t, step.want, changed, step.class)
		}
		_, err := checker.Learn(ctx, mail, "", "dull")
		require.ErrorContains(t, err, "want spam, ham or forget")
	})
	t.Run("examiner", func(t *testing.T) {
		checkstest.Run(t, func(*testing.T) checks.Checker { return checker })
	})
}

// SpamAssassin takes the first Received field for that of its own server: it must be ours, not that of the server
// before.
func TestTheTraceGoesFirst(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	heard := make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		all, _ := io.ReadAll(c)
		_, _ = c.Write([]byte("SPAMD/1.1 0 EX_OK\r\nSpam: False ; 1.0 / 5.0\r\n\r\n"))
		heard <- string(all)
	}()
	c := &spamd.Checker{Service: checks.Service{Address: l.Addr().String()}}
	mail := "Received: from old\r\nA: b\r\n\r\n" + strings.Repeat("text\r\n", 30<<10)
	trace := "Received: from client\r\n"
	results, err := c.Check(t.Context(), &checks.Mail{Trace: []byte(trace), Body: strings.NewReader(mail)})
	require.NoError(t, err)
	require.Equal(t, checks.Pass, results[0].Verdict)
	require.Equal(t, "SYMBOLS SPAMC/1.5\r\nContent-length: "+strconv.Itoa(len(trace+mail))+"\r\n\r\n"+trace+mail, <-heard)
}
