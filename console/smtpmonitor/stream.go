package smtpmonitor

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"strconv"
	"time"

	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/console/mailview"
	"github.com/sluicemail/sluice/monitor"
)

// flightPiece is what a browser that follows sessions gets at once.
type flightPiece struct {
	Flights []flightLine `json:"flights"` // the oldest first
	// sessions that were not followed, as enough others were; since the last piece
	Passed int64 `json:"passed,omitempty"`
}

// flightLine is what was said at once.
type flightLine struct {
	ID      uint64   `json:"id"`                // of the session
	Session *line    `json:"session,omitempty"` // with the first flight of it
	At      int64    `json:"at"`                // milliseconds since the session began
	Us      bool     `json:"us,omitempty"`      // we said it
	Lines   []string `json:"lines,omitempty"`
	Cut     int      `json:"cut,omitempty"`  // bytes left out behind them
	Lost    int      `json:"lost,omitempty"` // flights lost before this one, of any session
	Ended   bool     `json:"ended,omitempty"`
	Mail    *passing `json:"mail,omitempty"` // instead of lines: the mail that passed just now
}

// passing is a mail that passed, and where it can be looked at for a while.
type passing struct {
	Path string `json:"path"`
	Size int64  `json:"size"`
	Cut  bool   `json:"cut,omitempty"` // only its begin was kept
}

const (
	flightBuffer  = 500 // flights that wait for a slow browser
	flightsAtOnce = 200 // of a piece: nobody reads more in a quarter of a second
	followedMost  = 60  // sessions at a time
	shownLines    = 100 // of a flight
	shownLine     = 1000
)

// follow hands what is said in the sessions that a page asks for to its browser, a piece each quarter of a second
// at most. While the browser is slow it waits, and flights are lost; sessions never wait.
func (c *Monitor) follow(ctx context.Context, params url.Values, send func(any) error) error {
	f, err := filterOf(params).monitor()
	if err != nil {
		return err
	}
	if f.Text == "" { // what is said has to be heard in all of them
		f.Most = followedMost
	}
	f.ID, _ = strconv.ParseUint(params.Get("id"), 10, 64)
	if params.Get("mails") != "" {
		f.Mails = maxPassing
	}
	w, err := c.Live.Watch(f, flightBuffer)
	if err != nil {
		return errors.New("too many pages follow sessions already: close one, and load this page again")
	}
	defer w.Close()
	one := &follower{c: c, w: w, known: map[uint64]bool{}}
	defer c.shelf.forget(one)
	for {
		piece, err := one.next(ctx)
		if err != nil {
			return err
		}
		if err := send(piece); err != nil {
			return err
		}
		select {
		case <-time.After(frame.Beat):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// follower is one browser that follows sessions.
type follower struct {
	c      *Monitor
	w      *monitor.Watcher
	known  map[uint64]bool // sessions that the browser was told of, and that have not ended
	passed int64
}

// next waits for something to be said, and takes what there is.
func (f *follower) next(ctx context.Context) (*flightPiece, error) {
	flight, err := f.w.Next(ctx)
	if err != nil {
		return nil, err
	}
	piece := &flightPiece{}
	ended, stop := context.WithCancel(ctx)
	stop()
	for err == nil {
		piece.Flights = append(piece.Flights, f.line(&flight))
		if len(piece.Flights) == flightsAtOnce {
			break
		}
		flight, err = f.w.Next(ended) // only what is there already
	}
	passed := f.w.Passed()
	piece.Passed, f.passed = passed-f.passed, passed
	return piece, nil
}

func (f *follower) line(from *monitor.Flight) flightLine {
	id := from.Session.ID
	l := flightLine{ID: id, At: from.Time.Sub(from.Session.Since).Milliseconds(), Us: from.Direction == monitor.FromUs,
		Lost: from.Lost, Ended: from.Ended}
	if !f.known[id] {
		f.known[id] = true
		s := lineOf(&from.Session)
		l.Session = &s
	}
	switch {
	case from.Ended:
		delete(f.known, id)
	case from.Mail:
		l.Mail = &passing{Path: "/smtp/mails/" + f.c.shelf.put(f, from), Size: int64(len(from.Data) + from.Cut),
			Cut: from.Cut > 0}
	default:
		l.Lines, l.Cut = spoken(from.Data)
		l.Cut += from.Cut
	}
	return l
}

// spoken makes lines for people of what was said, and counts the bytes that are too many.
func spoken(data []byte) (lines []string, left int) {
	for len(data) > 0 {
		line, rest, _ := bytes.Cut(data, []byte{'\n'})
		if len(lines) == shownLines {
			return lines, left + len(data)
		}
		data = rest
		line = bytes.TrimSuffix(line, []byte{'\r'})
		if len(line) > shownLine {
			left += len(line) - shownLine
			line = line[:shownLine]
		}
		lines = append(lines, mailview.Printable(string(line)))
	}
	return lines, left
}
