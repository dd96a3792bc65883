package smtptest

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEachMailArrivesOnce(t *testing.T) {
	const mails, rcpts = 400, 3
	s := &Sink{Verify: true, Expect: mails * rcpts}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	var mu sync.Mutex
	var tally Tally
	source := &Source{
		Address: l.Addr().String(), Messages: mails, Recipients: rcpts, Sessions: 7, PerConnection: 9,
		Domains: Domains(4, "sink.test"),
		Accepted: func(numbers []int64) {
			mu.Lock()
			defer mu.Unlock()
			for _, n := range numbers {
				tally.Note(n)
			}
		},
	}
	report, err := source.Run(t.Context())
	require.NoError(t, err)
	<-s.Done()
	require.EqualValues(t, mails, report.Accepted)
	require.EqualValues(t, mails*rcpts, report.Recipients)
	require.Empty(t, report.Errors)
	require.Empty(t, report.Refused)
	st := s.Stats()
	require.EqualValues(t, mails*rcpts, st.Arrived)
	require.Zero(t, st.Duplicates+st.Misplaced+st.Damaged)
	require.GreaterOrEqual(t, st.Connections, int64(mails/9))
	require.EqualValues(t, mails*rcpts, tally.Distinct())
	missing, total := s.Tally().Missing(mails*rcpts+2, 1)
	require.EqualValues(t, 2, total)
	require.Equal(t, []int64{mails*rcpts + 1}, missing)
	require.NoError(t, s.Close())
	require.NoError(t, <-served)
}

func TestRefusalsAreCounted(t *testing.T) {
	tests := map[string]struct {
		rules    string
		accepted int64
		refused  map[int]int64
	}{
		"one recipient":       {"rcpt s1@* 550 5.1.1 No\nrcpt s3@* 450 Busy", 3, map[int]int64{550: 1, 450: 1}},
		"all recipients":      {"rcpt * reject", 0, map[int]int64{550: 6, 503: 3}},
		"sender":              {"mail * defer", 0, map[int]int64{451: 3, 503: 9}},
		"data":                {"data * 451 Later", 0, map[int]int64{451: 3}},
		"the mail, two lines": {`dot * 554 5.7.1 One\nTwo`, 0, map[int]int64{554: 3}},
		"421":                 {"rcpt * 421 Bye", 0, map[int]int64{421: 3 * (1 + maxTries)}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rules, err := ParseScript(test.rules)
				require.NoError(t, err)
				l := start(t, &Sink{Rules: rules})
				source := &Source{Dial: l.dial, Messages: 3, Recipients: 2}
				report, err := source.Run(t.Context())
				require.NoError(t, err)
				require.Equal(t, test.accepted, report.Accepted)
				require.Equal(t, test.refused, report.Refused)
			})
		})
	}
}

func TestSourceSurvivesBadServers(t *testing.T) {
	for _, script := range []string{"connect * close", "helo * garbage", "mail * hang", "dot * close", "connect * hang",
		"rcpt * garbage"} {
		t.Run(script, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rules, err := ParseScript(script)
				require.NoError(t, err)
				l := start(t, &Sink{Rules: rules})
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				source := &Source{Dial: l.dial, Messages: 2, Sessions: 2}
				report, err := source.Run(ctx)
				require.NoError(t, err)
				require.Zero(t, report.Accepted)
				require.LessOrEqual(t, report.Elapsed, 10*time.Second)
			})
		})
	}
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := start(t, new(Sink))
		report, err := (&Source{Dial: l.dial, Messages: 101, Sessions: 5, Rate: 10}).Run(t.Context())
		require.NoError(t, err)
		require.Equal(t, 10*time.Second, report.Elapsed)
		require.InDelta(t, 10.1, report.PerSecond(), 0.01)
	})
}

func TestSourceRefusesNonsense(t *testing.T) {
	for name, s := range map[string]*Source{
		"remote":   {Address: "192.0.2.1:25"},
		"no port":  {Address: "127.0.0.1"},
		"negative": {Address: "127.0.0.1:1", Rate: -1},
		"domain":   {Address: "127.0.0.1:1", Domains: []string{"a>\r\nRSET"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Run(t.Context())
			require.Error(t, err)
		})
	}
}

func TestMailSizeIsExact(t *testing.T) {
	for _, size := range []int{1 << 10, 10 << 10, 100_000} {
		for _, personal := range []bool{false, true} {
			s := &Source{Size: size, Personal: personal, Dial: dialTCP}
			require.NoError(t, s.prepare(t.Context()))
			n := len(s.body.header(nil, 1_000_000)) + len(s.body.text) + len(s.body.end(nil, 1_000_000)) - len(".\r\n")
			require.Equal(t, size, n)
		}
	}
}

func TestFillerHasNoLoneCR(t *testing.T) {
	for n := range 1000 {
		text := string(filler(n))
		require.Contains(t, []int{0, n}, len(text))
		require.NotContains(t, strings.ReplaceAll(text, "\r\n", ""), "\r", "%d bytes", n)
	}
}

func TestPersonalMails(t *testing.T) {
	var mu sync.Mutex
	texts := map[string]bool{}
	sink := &Sink{Verify: true, Received: func(m *Received) {
		_, text, _ := bytes.Cut(m.Data, []byte("\r\n\r\n"))
		mu.Lock()
		defer mu.Unlock()
		texts[string(text)] = true
	}}
	l := start(t, sink)
	report, err := (&Source{Dial: l.dial, Messages: 30, Sessions: 3, Personal: true}).Run(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 30, report.Accepted)
	require.Len(t, texts, 30)
	require.Zero(t, sink.Stats().Damaged)
}

func TestParseScriptErrors(t *testing.T) {
	for text, want := range map[string]string{
		"\nnowhere * accept":     "line 2: unknown stage",
		"rcpt 0% * accept":       "share",
		"rcpt 10%":               "expected: stage",
		"rcpt [ accept":          "pattern",
		"rcpt * dance":           "unknown action",
		"rcpt * 777 x":           "unknown action",
		"rcpt * delay sometimes": "duration",
	} {
		_, err := ParseScript(text)
		require.ErrorContains(t, err, want, text)
	}
}

func TestShares(t *testing.T) {
	r := Rule{Pattern: "*@x", Share: 0.25}
	n := 0
	for range 10_000 {
		if r.fits([]byte("a@X")) {
			n++
		}
	}
	require.InDelta(t, 2500, n, 300)
	require.False(t, r.fits([]byte("a@y")))
}

func TestHistogram(t *testing.T) {
	var h Histogram
	require.Zero(t, h.Quantile(0.5))
	for i := range 1000 {
		h.Observe(time.Duration(i+1) * time.Millisecond)
	}
	for q, want := range map[float64]time.Duration{0: time.Millisecond, 0.5: 500 * time.Millisecond,
		0.99: 990 * time.Millisecond, 1: time.Second} {
		require.InEpsilon(t, want, h.Quantile(q), 0.07, "%g", q)
	}
	h.Observe(-1)
	h.Observe(1 << 62)
	require.EqualValues(t, 1002, h.Count())
	for d := time.Duration(1); d < time.Hour; d = d*21/20 + 1 {
		require.Greater(t, bucketEnd(bucketOf(d)), d)
	}
}

func FuzzParseScript(f *testing.F) {
	f.Add("rcpt 10% *@x.test 450 4.2.1 Busy")
	f.Add("# nothing\n\ndot * delay 3s")
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := ParseScript(text)
		if err == nil {
			for _, r := range rules {
				r.fits([]byte("a@b"))
			}
		}
	})
}

func BenchmarkSourceToSink(b *testing.B) {
	s := new(Sink)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	b.ReportAllocs()
	_, err = (&Source{Address: l.Addr().String(), Sessions: 20, Messages: int64(b.N)}).Run(b.Context())
	require.NoError(b, err)
	require.NoError(b, s.Close())
	require.NoError(b, <-served)
}
