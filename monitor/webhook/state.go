package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// State tells how a hook is doing. Numbers of results are those of the journal; what is counted is since Open.
type State struct {
	Target      string    `json:"target"`               // scheme and host
	Up          bool      `json:"up"`                   // the last answer was not a failure
	Since       time.Time `json:"since"`                // it is so
	Waiting     int64     `json:"waiting"`              // results in the journal that were not taken yet
	Oldest      time.Time `json:"oldest,omitzero"`      // when the first of these came about; zero: none waits
	Checkpoint  uint64    `json:"checkpoint"`           // number of the first result that was not taken yet
	First       uint64    `json:"first"`                // number of the oldest result that is kept
	Next        uint64    `json:"next"`                 // number of the next result
	Bytes       int64     `json:"bytes"`                // that the journal takes
	Taken       int64     `json:"taken"`                // results that were answered with 2xx
	Lost        int64     `json:"lost"`                 // results that the full journal had no room for
	Refused     int64     `json:"refused"`              // results that were refused for good
	Requests    int64     `json:"requests"`             // that were answered, or not in time
	Failed      int64     `json:"failed"`               // requests that are tried again
	Seconds     float64   `json:"seconds"`              // that all requests took together
	LastError   string    `json:"last-error,omitempty"` // "": there was none
	LastErrorAt time.Time `json:"last-error-at,omitzero"`
	NextTry     time.Time `json:"next-try,omitzero"` // zero: it is up
	Dead        int64     `json:"dead"`              // letters
	DeadLost    int64     `json:"dead-lost"`
}

// health is what is known of the other end, and of the journal.
type health struct {
	mu       sync.Mutex
	since    time.Time
	down     bool
	until    time.Time
	taken    int64
	refused  int64
	requests int64
	again    int64
	spent    time.Duration
	failed   string // what was wrong last
	failedAt time.Time
	disk     error // the journal cannot be used now
	at       place // of the first result that was not taken yet
}

// heard notes an answer, and tells when it changes how things are.
func (h *health) heard(log *slog.Logger, b *batch, until, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests++
	h.spent += b.outcome.took
	switch b.outcome.verdict {
	case accepted:
		h.taken += int64(b.lines)
	case refused:
		h.refused += int64(b.lines)
	default:
		h.again++
	}
	if b.outcome.verdict != accepted {
		h.failed, h.failedAt = b.outcome.reason, now
	}
	h.until = until
	if down := b.outcome.verdict == later; down != h.down {
		if down {
			log.Warn("the web hook does not take results; trying again, less and less often", "reason", b.outcome.reason)
		} else {
			h.until = time.Time{}
			log.Info("the web hook takes results again", "after", now.Sub(h.since).Round(time.Second))
		}
		h.down, h.since = down, now
	}
}

func (h *health) next(at place) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = at
}

func (h *health) journal(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.disk = err
}

// State tells how the hook is doing.
func (h *Hook) State() State {
	j, dead := h.journal.extent(), h.dead.extent()
	target := h.o.Terms().URL
	s := State{Target: (&url.URL{Scheme: target.Scheme, Host: target.Host}).String(), Waiting: int64(j.next - j.done),
		Checkpoint: j.done, First: j.first, Next: j.next, Bytes: j.bytes, Lost: int64(j.lost),
		Dead:     int64(dead.next - dead.done),
		DeadLost: int64(dead.lost)}
	h.health.mu.Lock()
	s.Up, s.Since, s.Taken = !h.health.down && h.health.disk == nil, h.health.since, h.health.taken
	s.Refused, s.Requests, s.Failed = h.health.refused, h.health.requests, h.health.again
	s.Seconds = h.health.spent.Seconds()
	s.LastError, s.LastErrorAt = h.health.failed, h.health.failedAt
	if h.health.down {
		s.NextTry = h.health.until
	}
	if h.health.disk != nil {
		s.LastError = "the journal: " + h.health.disk.Error()
	}
	at := h.health.at
	h.health.mu.Unlock()
	if s.Waiting > 0 {
		s.Oldest = h.journal.timeOf(at)
	}
	return s
}

// timeOf returns when the result at a place came about; zero: there is none.
func (j *journal) timeOf(at place) (when time.Time) {
	line, _, err := j.read(at, 1, make([]byte, 4<<10))
	if _, rest, ok := bytes.Cut(line, []byte(atMark)); ok && err == nil {
		text, _, _ := bytes.Cut(rest, []byte{'"'})
		when, _ = time.Parse(time.RFC3339, string(text))
	}
	return when
}

// Dead is where Replay begins to have dead letters sent again.
const Dead = "DEAD"

// ErrReplay is an error of who asks for a replay.
var ErrReplay = errors.New("cannot be sent again")

// Replay has results sent again, and returns how many. From is the number of a result, all results from which on are
// sent again in order; or [Dead], for all dead letters, which come behind what waits; or "": nothing is sent again, but
// what waits is tried now. Results keep their ids.
func (h *Hook) Replay(ctx context.Context, from string) (count uint64, err error) {
	err = h.do(ctx, func(s *sender) error {
		if strings.EqualFold(from, Dead) {
			count, err = h.revive()
			return err
		}
		j := h.journal.extent()
		number := j.done
		if from != "" {
			if number, err = strconv.ParseUint(from, 10, 64); err != nil {
				return fmt.Errorf("%w: expected the number of a result, or %s, got %q", ErrReplay, Dead, from)
			}
		}
		if number < j.first || number > j.done {
			return fmt.Errorf("%w: expected the number of a result from %d, the oldest that is kept, to %d, got %d",
				ErrReplay, j.first, j.done, number)
		}
		count = j.done - number
		h.journal.finish(number)
		return s.seek(number)
	})
	return count, err
}

// revive moves the dead letters to the end of the journal.
func (h *Hook) revive() (count uint64, err error) {
	for {
		letters, err := h.DeadLetters(0, 1000)
		if err != nil || len(letters) == 0 {
			return count, err
		}
		var lines []byte
		found := 0
		for _, l := range letters {
			if json.Valid(l.Result) {
				lines = append(append(lines, l.Result...), '\n')
				found++
			}
		}
		if _, err := h.journal.append(lines, found); err != nil {
			return count, err
		}
		count += uint64(found)
		h.dead.finish(letters[len(letters)-1].Number + 1)
	}
}
