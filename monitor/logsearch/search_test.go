package logsearch_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/monitor/logsearch"
)

var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// sent is a line of the send log.
func sent(at time.Time, id, to, result, text string) string {
	domain := to[strings.IndexByte(to, '@')+1:]
	return fmt.Sprintf(`{"message-id":%q,"envelope":"News@shop.test","recipient":%q,"received":%q,"connection":{"remote-ip":"192.0.2.7","user":"ann"},`+
		`"tags":["news",%q],"results":[%s]}`, id, to, begin.Format(time.DateTime), domain,
		fmt.Sprintf(result, at.Format(time.DateTime), text))
}

const (
	accepted = `{"state":"message","result":"accepted","time":%q,"from":"10.0.0.1","to":"198.51.100.2","code":250,"status":"2.0.0","description":%q}`
	greyed   = `{"state":"rcptto","result":"error","time":%q,"from":"10.0.0.2","to":"198.51.100.3","code":450,"status":"4.7.1","description":%q,"class":"greylisted"}`
	refused  = `{"state":"rcptto","result":"error","time":%q,"from":"10.0.0.2","to":"198.51.100.3","code":550,"status":"5.1.1","description":%q,"class":"authentication/spf"}`
)

func received(at time.Time, id, to string) string {
	return fmt.Sprintf(`{"message-id":%q,"envelope":"a@b.test","recipient":%q,"received":%q,"connection":{"remote-ip":"192.0.2.7"}}`,
		id, to, at.Format(time.DateTime))
}

// write makes a log file that was last written at a time.
func write(t *testing.T, path string, at time.Time, lines ...string) {
	t.Helper()
	text := []byte(strings.Join(lines, "\n") + "\n")
	if strings.HasSuffix(path, ".gz") {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, err := w.Write(text)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		text = packed.Bytes()
	}
	require.NoError(t, os.WriteFile(path, text, 0o600))
	require.NoError(t, os.Chtimes(path, at, at))
}

func ids(entries []logsearch.Entry) []string {
	all := []string{}
	for _, e := range entries {
		all = append(all, e.ID)
	}
	return all
}

func TestSearch(t *testing.T) {
	dir := t.TempDir()
	send, in := filepath.Join(dir, "send.json"), filepath.Join(dir, "received.json")
	at := func(minutes int) time.Time { return begin.Add(time.Duration(minutes) * time.Minute) }
	write(t, send+".2.gz", at(20), sent(at(10), "1", "x@one.test", greyed, "Greylisted, come back"),
		sent(at(20), "2", "y@two.test", accepted, "OK"))
	write(t, send+"-20260301", at(31), sent(at(30), "3", "x@one.test", accepted, "queued as ABC"), "this is no record",
		`{"a":`, sent(at(31), "4", "Z@Two.test", refused, "No such user \"<z>\""))
	write(t, send, at(51), sent(at(40), "5", "x@one.test", refused, "nobody"),
		sent(at(51), "6", "ü@umlaut.test", accepted, "OK"))
	write(t, send+".old", at(60), sent(at(60), "not a log", "x@one.test", accepted, "OK"))
	write(t, in, at(50), received(at(5), "r1", "x@one.test"), received(at(50), "r2", "x@one.test"))
	files := logsearch.Files{Send: send, Received: in}
	for name, c := range map[string]struct {
		q    logsearch.Query
		want []string
	}{
		"all, newest first":   {logsearch.Query{}, []string{"6", "r2", "5", "4", "3", "2", "1", "r1"}},
		"attempts":            {logsearch.Query{Kind: logsearch.Attempt}, []string{"6", "5", "4", "3", "2", "1"}},
		"received":            {logsearch.Query{Kind: logsearch.Received}, []string{"r2", "r1"}},
		"domain, in any case": {logsearch.Query{Domain: "TWO.test"}, []string{"4", "2"}},
		"part of an address": {logsearch.Query{Address: "NEWS@", Kind: logsearch.Attempt},
			[]string{"6", "5", "4", "3", "2", "1"}},
		"address beyond ASCII": {logsearch.Query{Address: "ü@"}, []string{"6"}},
		"failed":               {logsearch.Query{Outcome: logsearch.Failed}, []string{"5", "4"}},
		"deferred":             {logsearch.Query{Outcome: logsearch.Deferred}, []string{"1"}},
		"delivered":            {logsearch.Query{Outcome: logsearch.Delivered}, []string{"6", "3", "2"}},
		"a code":               {logsearch.Query{Code: 450}, []string{"1"}},
		"a class of codes":     {logsearch.Query{Code: 5}, []string{"5", "4"}},
		"a class":              {logsearch.Query{Class: "greylisted"}, []string{"1"}},
		"with its details":     {logsearch.Query{Class: "authentication"}, []string{"5", "4"}},
		"a detail":             {logsearch.Query{Class: "authentication/spf"}, []string{"5", "4"}},
		"part of a class":      {logsearch.Query{Class: "authent"}, []string{}},
		"local address":        {logsearch.Query{IP: "10.0.0.2"}, []string{"5", "4", "1"}},
		"remote address":       {logsearch.Query{IP: "198.51.100.2"}, []string{"6", "3", "2"}},
		"client":               {logsearch.Query{IP: "192.0.2.7", Kind: logsearch.Received}, []string{"r2", "r1"}},
		"tag":                  {logsearch.Query{Tag: "two.test"}, []string{"2"}},
		"id":                   {logsearch.Query{ID: "3"}, []string{"3"}},
		"text":                 {logsearch.Query{Text: "QUEUED AS"}, []string{"3"}},
		"text with quotes":     {logsearch.Query{Text: `"<z>"`}, []string{"4"}},
		"from":                 {logsearch.Query{From: at(31)}, []string{"6", "r2", "5", "4"}},
		"to":                   {logsearch.Query{To: at(31)}, []string{"3", "2", "1", "r1"}},
		"from and to":          {logsearch.Query{From: at(10), To: at(40), Domain: "one.test"}, []string{"3", "1"}},
		"nothing":              {logsearch.Query{Domain: "three.test"}, []string{}},
		"before the logs":      {logsearch.Query{To: at(-5)}, []string{}},
		"after the logs":       {logsearch.Query{From: at(100)}, []string{}},
		"limit":                {logsearch.Query{Limit: 3}, []string{"6", "r2", "5"}},
	} {
		t.Run(name, func(t *testing.T) {
			page, err := files.Search(t.Context(), c.q)
			require.NoError(t, err)
			require.Equal(t, c.want, ids(page.Entries))
			require.Equal(t, c.q.Limit > 0, page.Cursor != "")
		})
	}
	page, err := files.Search(t.Context(), logsearch.Query{ID: "4"})
	require.NoError(t, err)
	e := page.Entries[0]
	require.JSONEq(t, sent(at(31), "4", "Z@Two.test", refused, "No such user \"<z>\""), string(e.Line))
	e.Line = nil
	require.Equal(t, logsearch.Entry{Kind: logsearch.Attempt, Time: at(31), ID: "4", Envelope: "News@shop.test",
		Recipient: "Z@Two.test",
		Tags:      []string{"news", "Two.test"}, Client: "192.0.2.7", User: "ann", Source: logsearch.SMTP, Attempt: 1, Outcome: logsearch.Failed,
		State: "rcptto", Result: "error",
		From: "10.0.0.2", To: "198.51.100.3", Code: 550, Status: "5.1.1", Description: "No such user \"<z>\"",
		Class: "authentication/spf"}, e)
}

// TestPages reads everything in pages of any size, from any mixture of files, and finds each line once and in order.
func TestPages(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 20 {
		dir := t.TempDir()
		files := logsearch.Files{Send: filepath.Join(dir, "send.json"), Received: filepath.Join(dir, "received.json")}
		var want []string
		now := begin
		log := func(name string, n int, kind string) {
			var lines []string
			for range n {
				now = now.Add(time.Duration(1+r.IntN(5)) * time.Second)
				id := fmt.Sprint(kind, len(want))
				line := received(now, id, "x@y.test")
				if kind == "s" {
					line = sent(now, id, "x@y.test", accepted, strings.Repeat("long ", r.IntN(20_000)/(1+r.IntN(100))))
				}
				lines, want = append(lines, line), append(want, id)
			}
			write(t, name, now, lines...)
		}
		for i, suffix := range []string{".3.gz", ".2.gz", ".1", ""} {
			if i == 3 || r.IntN(2) == 0 {
				log(files.Send+suffix, 1+r.IntN(80), "s")
				log(files.Received+suffix, 1+r.IntN(80), "r")
			}
		}
		slices.Reverse(want)
		q := logsearch.Query{Limit: 1 + r.IntN(60)}
		if round%2 == 0 {
			q.MaxBytes = int64(1 + r.IntN(1_000_000))
		}
		var got []string
		for pages := 0; ; pages++ {
			require.Less(t, pages, 10_000, "it goes on")
			page, err := files.Search(t.Context(), q)
			require.NoError(t, err)
			got = append(got, ids(page.Entries)...)
			if q.Cursor = page.Cursor; q.Cursor == "" {
				break
			}
		}
		require.Equal(t, want, got, "round %d", round)
	}
}

// TestRotation goes on with a search after the log was moved away, and says so when it is gone.
func TestRotation(t *testing.T) {
	name := filepath.Join(t.TempDir(), "send.json")
	files := logsearch.Files{Send: name}
	write(t, name, begin, sent(begin, "1", "a@b.test", accepted, ""),
		sent(begin.Add(time.Second), "2", "a@b.test", accepted, ""))
	page, err := files.Search(t.Context(), logsearch.Query{Limit: 1})
	require.NoError(t, err)
	require.Equal(t, []string{"2"}, ids(page.Entries))
	require.NoError(t, os.Rename(name, name+".1"))
	write(t, name, begin.Add(time.Hour), sent(begin.Add(time.Hour), "3", "a@b.test", accepted, ""))
	page, err = files.Search(t.Context(), logsearch.Query{Limit: 1, Cursor: page.Cursor})
	require.NoError(t, err)
	require.Equal(t, []string{"1"}, ids(page.Entries))
	require.NotEmpty(t, page.Cursor)
	require.NoError(t, os.Remove(name+".1"))
	_, err = files.Search(t.Context(), logsearch.Query{Cursor: page.Cursor})
	require.ErrorIs(t, err, logsearch.ErrCursor)
}

// TestBigLog finds the time asked for without reading all of a large log.
func TestBigLog(t *testing.T) {
	name := filepath.Join(t.TempDir(), "send.json")
	var lines []string
	for i := range 40_000 {
		lines = append(lines, sent(begin.Add(time.Duration(i)*time.Second), fmt.Sprint(i), "a@b.test", accepted, "OK"))
	}
	write(t, name, begin.Add(40_000*time.Second), lines...)
	page, err := logsearch.Files{Send: name}.Search(t.Context(),
		logsearch.Query{From: begin.Add(10_000 * time.Second), To: begin.Add(10_005 * time.Second)})
	require.NoError(t, err)
	require.Equal(t, []string{"10004", "10003", "10002", "10001", "10000"}, ids(page.Entries))
	require.Less(t, page.Scanned, int64(2<<20), "of %d bytes", len(strings.Join(lines, "\n")))
}

func TestWrongQueries(t *testing.T) {
	name := filepath.Join(t.TempDir(), "send.json")
	write(t, name, begin, "")
	files := logsearch.Files{Send: name}
	for _, c := range []struct {
		q    logsearch.Query
		want string
	}{
		{logsearch.Query{Kind: "sent"}, `kind "sent"`},
		{logsearch.Query{Outcome: "bad"}, `outcome "bad"`},
		{logsearch.Query{IP: "1.2.3"}, `ip "1.2.3"`},
		{logsearch.Query{Code: 99}, "code 99"},
		{logsearch.Query{From: begin, To: begin}, "expected a time before"},
		{logsearch.Query{Cursor: "nonsense"}, "begin the search anew"},
		{logsearch.Query{Cursor: "s:1:-5"}, "begin the search anew"},
	} {
		_, err := files.Search(t.Context(), c.q)
		require.ErrorContains(t, err, c.want)
	}
	_, err := logsearch.Files{}.Search(t.Context(), logsearch.Query{})
	require.ErrorIs(t, err, logsearch.ErrNoLogs)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = files.Search(ctx, logsearch.Query{})
	require.ErrorIs(t, err, context.Canceled)
	page, err := files.Search(t.Context(), logsearch.Query{})
	require.NoError(t, err)
	require.Empty(t, page.Entries)
}

// FuzzSearch reads any bytes as a log.
func FuzzSearch(f *testing.F) {
	f.Add([]byte(sent(begin, "1", "a@b.test", accepted, "x")+"\n{}\n\n\n"), "a")
	f.Add([]byte(`{"results":[{"time":"`), "")
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		name := filepath.Join(t.TempDir(), "log")
		require.NoError(t, os.WriteFile(name, data, 0o600))
		page, err := logsearch.Files{Send: name}.Search(t.Context(),
			logsearch.Query{Text: text, From: begin.Add(-time.Hour), To: begin.Add(time.Hour)})
		require.NoError(t, err)
		for _, e := range page.Entries {
			require.True(t, json.Valid(e.Line))
		}
	})
}
