package logs

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/console/mailview"
	"github.com/sluicemail/sluice/monitor/logsearch"
)

// logPiece is what a page that follows the log gets at once.
type logPiece struct {
	Lines []logLine `json:"lines"`          // the oldest first
	Lost  int64     `json:"lost,omitempty"` // entries that came too fast, before these
}

const (
	followBuffer = 1000 // entries that wait for a slow browser
	followAtOnce = 50   // entries a piece: nobody reads more in a quarter of a second
)

// followLog hands the entries that a page asks for to its browser, a piece each quarter of a second at most. What comes
// faster than it can be read is counted and left out.
func (c *Logs) followLog(ctx context.Context, params url.Values, send func(any) error) error {
	if c.Tail == nil {
		return errors.New("the log cannot be followed here")
	}
	search := logSearchOf(params)
	query, err := search.query(c.Now())
	if err != nil {
		return err
	}
	query.From, query.To = time.Time{}, time.Time{}
	w, err := c.Tail.Watch(query, followBuffer)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := send(logPiece{Lines: []logLine{}}); err != nil {
		return err
	}
	pause := time.NewTicker(frame.Beat)
	defer pause.Stop()
	for {
		var piece logPiece
		select {
		case e := <-w.Entries():
			piece.add(&e)
		case <-ctx.Done():
			return ctx.Err()
		}
		piece.rest(w)
		if err := send(piece); err != nil {
			return err
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *logPiece) add(e *logsearch.Entry) {
	l := logLineOf(e)
	l.Record = mailview.PrintableJSON(e.Line, maxLogSaid)
	p.Lines = append(p.Lines, l)
}

// rest adds what waits already, and counts what is too much.
func (p *logPiece) rest(w *logsearch.Watcher) {
	p.Lost = w.Lost()
	for {
		select {
		case e := <-w.Entries():
			if len(p.Lines) < followAtOnce {
				p.add(&e)
			} else {
				p.Lost++
			}
		default:
			return
		}
	}
}

const (
	downloadLines = 100_000
	downloadBytes = 200 << 20
	downloadTime  = 2 * time.Minute
	downloadChunk = 30 * time.Second // how long a client may take for a thousand lines
)

// downloadLogs sends the records that match, one JSON object a line, newest first. When there are more than may be
// sent, or reading fails in the middle, the last line says so.
func (c *Logs) downloadLogs(v *frame.Visit) error {
	search := logSearchOf(v.R.URL.Query())
	query, err := search.query(c.Now())
	if err != nil {
		return err
	}
	query.Limit, query.MaxBytes = 1000, logAtOnce
	ctx, cancel := context.WithTimeout(v.R.Context(), downloadTime)
	defer cancel()
	page, err := c.Admin.Logs(ctx, query)
	if err != nil {
		return err
	}
	h := v.W.Header()
	h.Set("Content-Type", "application/x-ndjson; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Content-Disposition", `attachment; filename="mail-log.jsonl"`)
	out := bufio.NewWriterSize(v.W, 64<<10)
	lines, bytes := 0, 0
	for {
		// fails where there is no connection: in tests
		_ = http.NewResponseController(v.W).SetWriteDeadline(time.Now().Add(downloadChunk))
		for i := range page.Entries {
			line := page.Entries[i].Line
			lines, bytes = lines+1, bytes+len(line)+1
			_, _ = out.Write(line)
			if out.WriteByte('\n') != nil {
				return nil // the browser is gone
			}
		}
		why := ""
		switch {
		case page.Cursor == "":
			return out.Flush()
		case lines >= downloadLines || bytes >= downloadBytes:
			why = "there is more than a download holds; search for less, or from here on"
		default:
			query.Cursor = page.Cursor
			if page, err = c.Admin.Logs(ctx, query); err != nil {
				why = "the search was cut off: " + v.Frame.Fault(err).What
			}
		}
		if why != "" {
			note, _ := json.Marshal(map[string]string{"incomplete": why, "cursor": query.Cursor})
			_, _ = out.Write(append(note, '\n'))
			return out.Flush()
		}
	}
}
