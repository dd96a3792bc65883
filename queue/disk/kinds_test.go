package disk

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

// spoilt is a store on a real disk, which is closed or was killed, for a test to damage.
type spoilt struct {
	*testing.T
	dir      string
	segments []string // oldest first, those in use
	end      int64    // of the log in the last of them
	log      bytes.Buffer
}

const kept = 180 // messages in the store

func (s *spoilt) options() Options {
	return Options{SegmentSize: 64 << 10, SettleDelay: time.Millisecond, Logger: slog.New(slog.NewTextHandler(&s.log, nil))}
}

// newSpoilt fills a store, each message with a batch of its own, and ends it.
func newSpoilt(t *testing.T, end func(*Queue) error) *spoilt {
	s := &spoilt{T: t, dir: filepath.Join(t.TempDir(), "queue")}
	q, err := Open(s.dir, s.options())
	require.NoError(t, err)
	for i := range kept {
		m := &queue.Message{ID: fmt.Sprint("m", i), Recipient: "a@example.com", NextAttempt: time.Now().Add(time.Hour),
			Body: queue.Bytes(bytes.Repeat([]byte{byte('a' + i%26)}, 800))}
		require.NoError(t, q.Publish(t.Context(), queue.Item{Queue: "outbox", Message: m}))
	}
	q.mu.Lock()
	used := slices.DeleteFunc(slices.Clone(q.segs.slots),
		func(s *segment) bool { return s == nil || s.state != stateUsed })
	s.end = q.cur.end
	q.mu.Unlock()
	slices.SortFunc(used, func(a, b *segment) int { return int(a.number) - int(b.number) })
	for _, one := range used {
		s.segments = append(s.segments, filepath.Join(s.dir, segmentName(one.slot)))
	}
	require.NoError(t, end(q))
	require.Greater(t, len(s.segments), 2)
	require.Empty(t, s.log.String())
	return s
}

func (s *spoilt) last() string { return s.segments[len(s.segments)-1] }

// fill writes over a part of a file.
func (s *spoilt) fill(name string, from, to int64, with func() byte) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	require.NoError(s, err)
	defer f.Close()
	p := make([]byte, to-from)
	for i := range p {
		p[i] = with()
	}
	_, err = f.WriteAt(p, from)
	require.NoError(s, err)
}

func zero() byte  { return 0 }
func noise() byte { return byte(rand.Uint32()) }

func (s *spoilt) truncate(name string, to int64) { require.NoError(s, os.Truncate(name, to)) }
func (s *spoilt) remove(names ...string) {
	for _, name := range names {
		require.NoError(s, os.Remove(name))
	}
}

// found is what a store told and held when it was opened.
type found struct {
	Damage
	left int // messages
}

func (s *spoilt) open() found {
	q, err := Open(s.dir, s.options())
	require.NoError(s, err)
	defer func() { require.NoError(s, q.Close()) }()
	f := found{Damage: q.Damage()}
	stats, err := q.Queues(context.Background())
	require.NoError(s, err)
	for _, one := range stats {
		f.left += one.Delayed
	}
	extra := queue.Item{Queue: "extra", Message: &queue.Message{ID: "x", Recipient: "x@example.com"}}
	require.NoError(s, q.Publish(context.Background(), extra), "the store goes on")
	return f
}

// TestKindsOfDamage damages a store in every way that takes more than a crash. Each is told, once, with its place, and
// what is intact is there.
func TestKindsOfDamage(t *testing.T) {
	const tail = 16 << 10 // many batches
	for _, c := range []struct {
		name   string
		do     func(s *spoilt)
		says   string // an expression for a note
		copied string // whether there was something to copy; empty: both may be
		intact bool   // nothing is lost
	}{
		{"last segment cut", func(s *spoilt) { s.truncate(s.last(), s.end-tail) },
			`^segments/\d+ ends at \d+, and was made with 65536 bytes, \d+ bytes of records`, "", false},
		{"last segment cut within a record", func(s *spoilt) { s.truncate(s.last(), s.end-tail+12) },
			`^segments/\d+ ends at \d+`, "", false},
		{"reserve of the last segment cut", func(s *spoilt) { s.truncate(s.last(), s.end) },
			`^segments/\d+ ends at \d+, .*; 0 messages and 0 mails are lost`, "", true},
		{"first segment cut", func(s *spoilt) { s.truncate(s.segments[0], 20<<10) },
			`^segments/\d+ ends at 20480, and was made with 65536 bytes, \d+ bytes of records`, "", false},
		{"first segment cut in its header", func(s *spoilt) { s.truncate(s.segments[0], 3000) },
			`^segments/\d+ ends at 3000,`, "", false},
		{"zeros at the end", func(s *spoilt) { s.fill(s.last(), s.end-tail, s.end, zero) },
			`^segments/\d+ at \d+: \d+ bytes hold no record`, "yes", false},
		{"zeros to the end of the file", func(s *spoilt) { s.fill(s.last(), s.end-tail, 64<<10, zero) },
			`^segments/\d+ at \d+: \d+ bytes hold no record`, "yes", false},
		{"noise at the end", func(s *spoilt) { s.fill(s.last(), s.end-tail, s.end, noise) },
			`^segments/\d+ at \d+: \d+ bytes hold no record`, "yes", false},
		{"noise over the last batch", func(s *spoilt) { s.fill(s.last(), s.end-400, s.end, noise) }, `segments/\d+ at \d+`,
			"yes", false},
		{"noise over all of the last segment", func(s *spoilt) { s.fill(s.last(), segmentPage, 64<<10, noise) },
			`^segments/\d+ at 4096: \d+ bytes hold no record`, "yes", false},
		{"first segment removed", func(s *spoilt) { s.remove(s.segments[0]) },
			`^the file of segment 1 in segments is missing`, "no", false},
		{"middle segment removed", func(s *spoilt) { s.remove(s.segments[1]) },
			`^the file of segment 2 in segments is missing`, "no", false},
		{"last segment removed", func(s *spoilt) { s.remove(s.last()) }, `^the file of segment \d+ in segments is missing`,
			"no", false},
		{"first segment emptied", func(s *spoilt) { s.truncate(s.segments[0], 0) },
			`^the file of segment 1 in segments is missing`, "no", false},
		{"last segment emptied", func(s *spoilt) { s.truncate(s.last(), 0) },
			`^the file of segment \d+ in segments is missing`, "no", false},
		{"header of zeros", func(s *spoilt) { s.fill(s.segments[1], 0, segmentPage, zero) },
			`^the file of segment 2 in segments is missing`, "yes", false},
		{"header of noise", func(s *spoilt) { s.fill(s.segments[1], 0, segmentPage, noise) }, `^segments/\d+: the header`,
			"yes", false},
		{"all segments removed", func(s *spoilt) {
			all, _ := filepath.Glob(filepath.Join(s.dir, segmentDir, "*"))
			s.remove(all...)
		}, `^segments: there was a queue here, and all files of its log are gone`, "no", false},
		{"all removed but the lock", func(s *spoilt) {
			require.NoError(s, os.RemoveAll(filepath.Join(s.dir, segmentDir)))
			require.NoError(s, os.RemoveAll(filepath.Join(s.dir, bodyDir)))
			s.remove(filepath.Join(s.dir, markName))
			_ = os.Remove(filepath.Join(s.dir, checkpointName))
		}, `^segments: there was a queue here`, "no", false},
	} {
		for ended, end := range map[string]func(*Queue) error{"closed": (*Queue).Close, "killed": (*Queue).Abort} {
			t.Run(c.name+" "+ended, func(t *testing.T) {
				t.Parallel()
				s := newSpoilt(t, end)
				c.do(s)
				f := s.open()
				require.NotEmpty(t, f.Notes)
				require.Regexp(t, "(?m)"+c.says, strings.Join(f.Notes, "\n"))
				require.Contains(t, s.log.String(), "level=ERROR")
				require.Contains(t, s.log.String(), "the queue is damaged")
				if c.intact {
					require.Equal(t, kept, f.left)
				} else if indexed := ended == "closed" && !regexp.MustCompile("lock").MatchString(c.name); indexed {
					require.Equal(t, kept, f.left+f.Messages, "each message is there or counted")
				} else {
					require.Less(t, f.left, kept)
					require.Regexp(t, `how many messages are lost is not known|all files of its log`, f.Notes)
				}
				aside, err := os.ReadDir(filepath.Join(s.dir, damagedDir))
				require.NoError(t, err)
				if c.copied != "" {
					require.Equal(t, c.copied == "yes", len(aside) > 0, "what was there is copied")
				}
				s.log.Reset()
				again := s.open()
				require.Empty(t, again.Notes, "it is told once")
				require.Empty(t, s.log.String())
				require.Equal(t, f.left, again.left)
			})
		}
	}
}

// TestWhatIsNoDamage opens stores as crashes and operators leave them.
func TestWhatIsNoDamage(t *testing.T) {
	for name, do := range map[string]func(s *spoilt){
		"nothing":                     func(*spoilt) {},
		"noise behind the last batch": func(s *spoilt) { s.fill(s.last(), s.end, s.end+2000, noise) },
		"no mark":                     func(s *spoilt) { s.remove(filepath.Join(s.dir, markName)) },
		"a mark of zeros":             func(s *spoilt) { s.fill(filepath.Join(s.dir, markName), 0, 600, zero) },
		"an empty mark":               func(s *spoilt) { s.truncate(filepath.Join(s.dir, markName), 0) },
		"a file that was never written": func(s *spoilt) {
			require.NoError(s,
				os.WriteFile(filepath.Join(s.dir, segmentName(90)), nil, 0o600))
		},
	} {
		for ended, end := range map[string]func(*Queue) error{"closed": (*Queue).Close, "killed": (*Queue).Abort} {
			t.Run(name+" "+ended, func(t *testing.T) {
				t.Parallel()
				s := newSpoilt(t, end)
				do(s)
				for range 2 {
					f := s.open()
					require.Equal(t, kept, f.left)
					require.Empty(t, f.Notes)
				}
				require.NotContains(t, s.log.String(), "level=ERROR")
			})
		}
	}
	t.Run("stores that nothing was written to", func(t *testing.T) {
		for _, end := range []func(*Queue) error{(*Queue).Close, (*Queue).Abort} {
			dir := t.TempDir()
			for range 3 {
				q, err := Open(dir, Options{SegmentSize: 64 << 10})
				require.NoError(t, err)
				require.Equal(t, Damage{}, q.Damage())
				require.NoError(t, end(q))
			}
		}
	})
	t.Run("a first start that failed", func(t *testing.T) {
		dir := t.TempDir()
		_, err := Open(dir, Options{SegmentSize: 64 << 10, MaxBytes: 1})
		require.ErrorIs(t, err, queue.ErrFull)
		q, err := Open(dir, Options{SegmentSize: 64 << 10})
		require.NoError(t, err)
		require.Equal(t, Damage{}, q.Damage())
		require.NoError(t, q.Close())
	})
}

// TestStoreOfBeforeTheMark has given segments back and lost its checkpoint, and there is no mark that knows whether
// there was one.
func TestStoreOfBeforeTheMark(t *testing.T) {
	s := newSpoilt(t, func(q *Queue) error {
		for range 3 { // so that the record of what was given back first is given back itself
			if _, err := q.Purge(context.Background(), queue.Filter{}); err != nil {
				return err
			}
			for i := range kept {
				if err := q.Publish(context.Background(),
					queue.Item{Queue: "later", Message: &queue.Message{ID: fmt.Sprint("n", i), Recipient: "a@example.com",
						NextAttempt: time.Now().Add(time.Hour), Body: queue.Bytes(bytes.Repeat([]byte("x"), 800))}}); err != nil {
					return err
				}
			}
			q.freeSegments()
			if err := q.checkpoint(); err != nil {
				return err
			}
		}
		return q.Close()
	})
	s.remove(filepath.Join(s.dir, markName), filepath.Join(s.dir, checkpointName))
	for range 2 {
		f := s.open()
		require.Empty(t, f.Notes, "segments that were given back are not missing")
		require.Equal(t, kept, f.left)
		_ = os.Remove(filepath.Join(s.dir, checkpointName))
	}
}
