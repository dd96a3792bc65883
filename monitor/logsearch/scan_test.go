package logsearch_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/monitor/logsearch"
)

// scan returns what a query finds, and what was complained of.
func scan(t *testing.T, files logsearch.Files, q logsearch.Query) (found []logsearch.Entry, complaints []string,
	s *logsearch.Scanned) {
	t.Helper()
	s, err := files.Scan(t.Context(), q, func(e *logsearch.Entry) error {
		found = append(found, *e)
		return nil
	}, func(p *logsearch.Problem) { complaints = append(complaints, filepath.Base(p.Path)+": "+p.Err.Error()) })
	require.NoError(t, err)
	return found, complaints, s
}

// TestScan finds what Search finds, the oldest first, though files were copied and so have the time of that.
func TestScan(t *testing.T) {
	dir := t.TempDir()
	send, in := filepath.Join(dir, "send.json"), filepath.Join(dir, "received.json")
	at := func(minutes int) time.Time { return begin.Add(time.Duration(minutes) * time.Minute) }
	copied := at(90)
	write(t, send+".2.gz", copied, sent(at(10), "1", "x@one.test", greyed, "Greylisted"),
		sent(at(20), "2", "y@two.test", accepted, "OK"))
	write(t, send+".1", copied, sent(at(31), "4", "Z@Two.test", refused, "No"),
		sent(at(30), "3", "x@one.test", accepted, "written a little later"))
	write(t, send, at(51), sent(at(40), "5", "x@one.test", refused, "nobody"),
		sent(at(51), "6", "ü@umlaut.test", accepted, "OK"))
	write(t, send+".1.gz", copied, "it is being made of .1")
	write(t, in, at(50), received(at(5), "r1", "x@one.test"), received(at(50), "r2", "x@one.test"))
	files := logsearch.Files{Send: send, Received: in}
	for name, c := range map[string]struct {
		q    logsearch.Query
		want []string
	}{
		"all, oldest first":    {logsearch.Query{}, []string{"r1", "1", "2", "3", "4", "5", "r2", "6"}},
		"attempts":             {logsearch.Query{Kind: logsearch.Attempt}, []string{"1", "2", "3", "4", "5", "6"}},
		"received":             {logsearch.Query{Kind: logsearch.Received}, []string{"r1", "r2"}},
		"recipient":            {logsearch.Query{Recipient: "z@tw"}, []string{"4"}},
		"recipient, no ASCII":  {logsearch.Query{Recipient: "Ü@"}, []string{"6"}},
		"sender is not that":   {logsearch.Query{Sender: "x@one.test"}, []string{}},
		"sender":               {logsearch.Query{Sender: "NEWS@", Outcome: logsearch.Failed}, []string{"4", "5"}},
		"from":                 {logsearch.Query{From: at(31)}, []string{"4", "5", "r2", "6"}},
		"to":                   {logsearch.Query{To: at(31)}, []string{"r1", "1", "2", "3"}},
		"from and to":          {logsearch.Query{From: at(20), To: at(40)}, []string{"2", "3", "4"}},
		"a domain in a window": {logsearch.Query{From: at(11), To: at(50), Domain: "one.TEST"}, []string{"3", "5"}},
		"nothing":              {logsearch.Query{Text: "there is no such text"}, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			found, complaints, s := scan(t, files, c.q)
			require.Equal(t, c.want, ids(found))
			require.Empty(t, complaints)
			require.Equal(t, at(5), s.Begin.Add(map[bool]time.Duration{true: -5 * time.Minute}[c.q.Kind == logsearch.Attempt]))
			require.False(t, s.Incomplete)
		})
	}
	found, _, _ := scan(t, files, logsearch.Query{ID: "2", Bare: true})
	require.Nil(t, found[0].Line)
	found, _, _ = scan(t, files, logsearch.Query{ID: "2"})
	require.Contains(t, string(found[0].Line), `"message-id":"2"`)
	_, err := files.Scan(t.Context(), logsearch.Query{Code: 99}, nil, nil)
	require.ErrorContains(t, err, "code 99")
	_, err = logsearch.Files{}.Scan(t.Context(), logsearch.Query{}, nil, nil)
	require.ErrorIs(t, err, logsearch.ErrNoLogs)
}

// TestScanWays tells mail apart by the way that it came in, who brought it, and where it went.
func TestScanWays(t *testing.T) {
	log := filepath.Join(t.TempDir(), "send.json")
	line := func(id, way, to string) string {
		return fmt.Sprintf(`{"message-id":%q,%s,"envelope":"a@b.test","recipient":"c@d.test","results":[{"state":"message",`+
			`"result":"accepted","time":"2026-01-31 10:00:00","to":%q,"code":250}]}`, id, way, to)
	}
	write(t, log, begin, line("1", `"connection":{"remote-ip":"10.0.0.9","user":"Ann"}`, "192.0.2.1"),
		line("2", `"spool":{"directory":"/s","user":"bo"}`, "/var/mail/c"),
		line("3", `"spool":{"directory":"/s"},"cli":{"command":"mtad","user":"ann"}`, "unix:/run/lmtp"),
		line("4", `"http":{"authentication":"ci","remote-ip":"10.0.0.8"}`, ""))
	for q, want := range map[logsearch.Query][]string{
		{Source: logsearch.SMTP}: {"1"}, {Source: logsearch.Spool}: {"2"}, {Source: logsearch.CLI}: {"3"},
		{Source: logsearch.HTTP}: {"4"}, {User: "ANN"}: {"1", "3"}, {User: "an"}: {}, {User: "ci"}: {"4"},
		{IP: "10.0.0.8"}: {"4"}, {Place: logsearch.Local}: {"2", "3"}, {Place: logsearch.Remote}: {"1"},
	} {
		found, _, _ := scan(t, logsearch.Files{Send: log}, q)
		require.Equal(t, want, ids(found), "%+v", q)
	}
	for _, q := range []logsearch.Query{{Source: "mail"}, {Place: "here"}} {
		require.ErrorContains(t, q.Check(), "expected")
	}
}

// TestScanGoesOn names what is broken, and reads the rest.
func TestScanGoesOn(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "send.json")
	at := func(minutes int) time.Time { return begin.Add(time.Duration(minutes) * time.Minute) }
	write(t, log+".6.gz", at(1), "no gzip")
	require.NoError(t, os.WriteFile(log+".6.gz", []byte("no gzip at all"), 0o600))
	var many []string
	for i := range 20_000 {
		many = append(many, sent(at(2).Add(time.Duration(i)*time.Millisecond), fmt.Sprint("m", i), "x@one.test", accepted,
			fmt.Sprint(i*i)))
	}
	write(t, log+".5.gz", at(3), many...)
	info, err := os.Stat(log + ".5.gz")
	require.NoError(t, err)
	require.NoError(t, os.Truncate(log+".5.gz", info.Size()/2))
	write(t, log+".4", at(4), sent(at(4), "1", "x@one.test", accepted, "OK"), "half a li", `{"a":`, "",
		sent(at(4), "2", "x@one.test", accepted, "OK"))
	require.NoError(t, os.WriteFile(log+".3", []byte(sent(at(5), "3", "x@one.test", accepted, "OK")+"\n"+
		sent(at(5), "cut", "x@one.test", accepted, "OK")[:50]), 0o600))
	require.NoError(t, os.WriteFile(log+".2", []byte(sent(at(6), "4", "x@one.test", accepted, "OK")+"\n"+
		strings.Repeat("x", 9<<20)+"\n"+sent(at(6), "5", "x@one.test", accepted, "OK")+"\n"), 0o600))
	require.NoError(t, os.WriteFile(log+".7.xz", nil, 0o600))
	require.NoError(t, os.WriteFile(log, []byte(sent(at(7), "6", "x@one.test", accepted, "OK")+"\n"+
		sent(at(7), "7", "x@one.test", accepted, "OK")+"\n"+`{"message-id":"being wri`), 0o600))
	found, complaints, s := scan(t, logsearch.Files{Send: log}, logsearch.Query{})
	all := ids(found)
	require.Equal(t, []string{"1", "2", "3", "4", "5", "6", "7"}, all[len(all)-7:])
	require.Greater(t, len(all), 1000, "half of the broken file")
	require.True(t, slices.IsSortedFunc(found, func(a, b logsearch.Entry) int { return a.Time.Compare(b.Time) }))
	require.True(t, s.Incomplete)
	slices.Sort(complaints)
	require.Len(t, complaints, 6, "%q", complaints)
	for i, want := range []string{"send.json.2: the line at byte", "send.json.3: it ends in the middle of a line",
		"send.json.4: 2 lines are no records, the first at byte", "send.json.5.gz: it is broken after",
		"send.json.6.gz: expected a gzip file", "send.json.7.xz: it is packed as .xz"} {
		require.Contains(t, complaints[i], want)
	}
	found, complaints, _ = scan(t, logsearch.Files{Send: log}, logsearch.Query{ID: "6"})
	require.Equal(t, []string{"6"}, ids(found))
	require.Len(t, complaints, 5, "short lines that cannot be meant are not looked at: %q", complaints)
}

// TestScanOfMany holds a bounded part of what it finds, however slowly that is taken.
func TestScanOfMany(t *testing.T) {
	dir := t.TempDir()
	log, in := filepath.Join(dir, "send.json"), filepath.Join(dir, "received.json")
	const files, lines = 12, 10_000
	for f := range files {
		var s, r []string
		for i := range lines {
			at := begin.Add(time.Duration(f*lines+i) * time.Second)
			s = append(s, sent(at, "s", "x@one.test", accepted, strings.Repeat("long ", 20)))
			r = append(r, received(at, "r", "x@one.test"))
		}
		write(t, fmt.Sprintf("%s.%d", log, files-f), begin.Add(time.Duration((f+1)*lines)*time.Second), s...)
		write(t, fmt.Sprintf("%s.%d", in, files-f), begin.Add(time.Duration((f+1)*lines)*time.Second), r...)
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before, most := heap(), int64(0)
	n, last := 0, time.Time{}
	both := logsearch.Files{Send: log, Received: in}
	_, err := both.Scan(t.Context(), logsearch.Query{}, func(e *logsearch.Entry) error {
		if n++; n%40_000 == 0 {
			most = max(most, heap()-before)
		}
		require.False(t, e.Time.Before(last))
		last = e.Time
		return nil
	}, func(p *logsearch.Problem) { t.Error(p) })
	require.NoError(t, err)
	require.Equal(t, 2*files*lines, n)
	require.Less(t, most, int64(40<<20), "of 80 MB of text")
}

// TestScanEnds when whoever takes the entries has enough, or the time is over.
func TestScanEnds(t *testing.T) {
	log := filepath.Join(t.TempDir(), "send.json")
	var lines []string
	for range 10_000 {
		lines = append(lines, sent(begin, "1", "x@one.test", accepted, "OK"))
	}
	write(t, log, begin, lines...)
	write(t, log+".1.gz", begin, lines...)
	files := logsearch.Files{Send: log}
	enough := errors.New("enough")
	_, err := files.Scan(t.Context(), logsearch.Query{}, func(*logsearch.Entry) error { return enough }, nil)
	require.ErrorIs(t, err, enough)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = files.Scan(ctx, logsearch.Query{}, func(*logsearch.Entry) error { return nil }, nil)
	require.ErrorIs(t, err, context.Canceled)
}

// TestFollow goes on where Scan ended, through rotations, and hands on each entry once.
func TestFollow(t *testing.T) {
	log := filepath.Join(t.TempDir(), "send.json")
	n := 0
	put := func(text string) {
		f, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		_, err = f.WriteString(text)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	next := func() string {
		n++
		return sent(begin.Add(time.Duration(n)*time.Second), fmt.Sprint(n), "x@one.test", accepted, "OK") + "\n"
	}
	put(next() + next())
	half := next()
	put(half[:40])
	files := logsearch.Files{Send: log}
	found, _, s := scan(t, files, logsearch.Query{})
	require.Equal(t, []string{"1", "2"}, ids(found))
	put(half[40:])
	require.NoError(t, os.Rename(log, log+".1")) // before it begins to follow
	put(next())

	ctx, cancel := context.WithCancel(t.Context())
	var seen atomic.Int32
	var got []string
	ended := make(chan error)
	go func() {
		ended <- files.Follow(ctx, s, logsearch.Query{}, func(e *logsearch.Entry) error {
			got = append(got, e.ID)
			seen.Add(1)
			return nil
		}, func(p *logsearch.Problem) { t.Error(p) })
	}()
	await := func(want int32) {
		require.Eventually(t, func() bool { return seen.Load() == want }, 20*time.Second, 5*time.Millisecond)
	}
	await(2)
	half = next()
	put(half[:50])
	put(half[50:])
	await(3)
	require.NoError(t, os.Rename(log, log+".2"))
	put(next() + next())
	await(5)
	require.NoError(t, os.Truncate(log, 0)) // logrotate's copytruncate
	put(next())
	await(6)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.Equal(t, []string{"3", "4", "5", "6", "7", "8"}, got)
}
