package logsearch

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Page is what a search found.
type Page struct {
	Entries []Entry // newest first
	// Cursor continues the search; "" when everything was read. A page without entries may have one: that much was read
	// in vain.
	Cursor string
	// Scanned is how many bytes were looked at.
	Scanned int64
	// Reached is how far back the search came; zero: to the beginning of the logs.
	Reached time.Time
}

// ErrCursor is returned for a cursor that makes no sense, or whose log is gone.
var ErrCursor = errors.New("the logs have changed; begin the search anew")

// Search finds entries, newest first. It fails when the query makes no sense, no log can be read, or ctx ends.
func (f Files) Search(ctx context.Context, q Query) (*Page, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	s := search{ctx: ctx, q: &q, needles: q.needles(), left: q.maxBytes()}
	if err := s.open(f); err != nil {
		return nil, err
	}
	defer s.close()
	page := &Page{}
	for len(page.Entries) < q.limit() {
		newest, err := s.newest()
		if err != nil {
			return nil, err
		}
		if newest == nil {
			break
		}
		page.Entries = append(page.Entries, newest.take())
	}
	page.Cursor, page.Scanned = s.cursor(), q.maxBytes()-s.left
	if page.Cursor != "" {
		page.Reached = s.reached()
	}
	return page, nil
}

// search is one call of Search: the streams of all logs, merged by time.
type search struct {
	ctx     context.Context
	q       *Query
	needles [][]byte
	lower   []byte
	left    int64 // bytes that may still be read
	streams []*stream
}

func (s *search) open(f Files) error {
	all, err := f.parts(s.q.Kind)
	if err != nil {
		return err
	}
	at, err := parseCursor(s.q.Cursor)
	if err != nil {
		return err
	}
	logs := map[string]*stream{}
	for _, p := range all {
		log := f.log(p)
		if logs[log] == nil {
			logs[log] = &stream{s: s, log: log, from: atEnd, before: atEnd}
			s.streams = append(s.streams, logs[log])
		}
		logs[log].parts = append(logs[log].parts, p)
	}
	for _, st := range s.streams {
		if s.q.Cursor == "" {
			continue
		}
		if err := st.seek(at); err != nil {
			return err
		}
	}
	return nil
}

// log says which log a part belongs to: the one with the longer name that fits.
func (f Files) log(p part) string {
	if f.Received != "" && strings.HasPrefix(p.path, f.Received) &&
		(f.Send == "" || len(f.Received) >= len(f.Send) || !strings.HasPrefix(p.path, f.Send)) {
		return "r"
	}
	return "s"
}

func (s *search) close() {
	for _, st := range s.streams {
		st.close()
	}
}

// newest returns the stream whose next entry is the newest; nil when there is none, or the time is over.
func (s *search) newest() (*stream, error) {
	var newest *stream
	for _, st := range s.streams {
		if err := st.advance(); err != nil {
			return nil, err
		}
		if st.next == nil && !st.done {
			return nil, nil // what it has not read yet may be newer than what others have
		}
		if st.next != nil && (newest == nil || st.next.Time.After(newest.next.Time)) {
			newest = st
		}
	}
	return newest, nil
}

// cursor tells where each stream goes on; "" when all are through.
func (s *search) cursor() string {
	var all []string
	more := false
	for _, st := range s.streams {
		place := st.log + ":end"
		if !st.done || st.next != nil {
			place, more = fmt.Sprintf("%s:%d:%d", st.log, st.inode(), st.place()), true
		}
		all = append(all, place)
	}
	if !more {
		return ""
	}
	return strings.Join(all, ",")
}

func (s *search) reached() time.Time {
	var at time.Time
	for _, st := range s.streams {
		if st.reached.After(at) {
			at = st.reached
		}
	}
	return at
}

// place is where in which file a log is to be continued.
type place struct {
	inode  uint64
	offset int64
	end    bool
}

func parseCursor(text string) (map[string]place, error) {
	if text == "" {
		return nil, nil
	}
	all := map[string]place{}
	for _, one := range strings.Split(text, ",") {
		fields := strings.Split(one, ":")
		if len(fields) == 2 && fields[1] == "end" {
			all[fields[0]] = place{end: true}
			continue
		}
		if len(fields) != 3 {
			return nil, fmt.Errorf("cursor %q: %w", text, ErrCursor)
		}
		inode, err := strconv.ParseUint(fields[1], 10, 64)
		offset, err2 := strconv.ParseInt(fields[2], 10, 64)
		if err != nil || err2 != nil || offset < atEnd {
			return nil, fmt.Errorf("cursor %q: %w", text, ErrCursor)
		}
		all[fields[0]] = place{inode: inode, offset: offset}
	}
	return all, nil
}
