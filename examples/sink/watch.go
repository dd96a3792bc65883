package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"

	"github.com/sluicemail/sluice/internal/smtptest"
)

// watch follows a sink: it shows progress, and knows when the first and the last mail came.
type watch struct {
	sink   *smtptest.Sink
	expect int64
	bar    *progressbar.ProgressBar
	out    io.Writer

	begun       time.Time
	first, last time.Time // to within a tick
	messages    int64     // at the last tick
	before      int64     // at the first tick that saw any
}

const tick = 100 * time.Millisecond

func newWatch(s *smtptest.Sink, o *options, out io.Writer) *watch {
	w := &watch{sink: s, out: out, expect: o.Expect, begun: time.Now()}
	if o.Progress {
		total := o.Expect
		if total == 0 {
			total = -1
		}
		w.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionShowCount(),
			progressbar.OptionShowIts(), progressbar.OptionSetItsString("msg"), progressbar.OptionThrottle(time.Second),
			progressbar.OptionSetDescription("received"))
	}
	return w
}

// until watches until ctx ends, the sink has all it expects, or it fails.
func (w *watch) until(ctx context.Context, served <-chan error) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			w.look(time.Now())
			return nil
		case <-w.sink.Done():
			w.look(time.Now())
			return nil
		case err := <-served:
			return err
		case now := <-ticker.C:
			w.look(now)
			if w.bar != nil && n%10 == 0 {
				w.show()
			}
		}
	}
}

func (w *watch) look(now time.Time) {
	n := w.sink.Count()
	if n == w.messages {
		return
	}
	if w.first.IsZero() {
		w.first = now
		w.before = n
	}
	w.messages, w.last = n, now
}

func (w *watch) show() {
	st := w.sink.Stats()
	_ = w.bar.Set64(min(st.Arrived, max(w.expect, st.Arrived)))
	fmt.Fprintf(w.out, "connections %d  messages %d  recipients %d  duplicates %d  deferred %d  rejected %d\n",
		st.Open, st.Messages, st.Recipients, st.Duplicates, st.Deferred, st.Rejected)
}

// perSecond is the rate between the first and the last tick that saw new mail.
func (w *watch) perSecond() float64 {
	span := w.last.Sub(w.first)
	if span <= 0 {
		return 0
	}
	return float64(w.messages-w.before) / span.Seconds()
}

func (w *watch) summary() {
	st := w.sink.Stats()
	if w.bar != nil {
		_ = w.bar.Finish()
	}
	fmt.Fprintf(w.out, "received %s messages (%s) for %s recipients over %s connections: %.0f msg/s\n",
		humanize.Comma(st.Messages),
		humanize.IBytes(uint64(st.Bytes)), humanize.Comma(st.Recipients), humanize.Comma(st.Connections), w.perSecond())
	fmt.Fprintf(w.out, "arrived %d duplicates %d misplaced %d damaged %d deferred %d rejected %d flights %d\n", st.Arrived,
		st.Duplicates, st.Misplaced, st.Damaged, st.Deferred, st.Rejected, st.Flights)
}

// check says whether everything came that should have, each once.
func (w *watch) check(o *options) (bool, error) {
	st := w.sink.Stats()
	ok := st.Misplaced == 0 && st.Damaged == 0
	if o.Expect > 0 {
		numbers, missing := w.sink.Tally().Missing(o.Expect, 20)
		if st.Arrived >= o.Expect {
			missing, numbers = 0, nil
		}
		fmt.Fprintf(w.out, "missing %d %v\n", missing, numbers)
		ok = ok && st.Arrived >= o.Expect
	}
	if o.IDs != "" {
		missing, err := missingFrom(o.IDs, w.sink.Tally())
		if err != nil {
			return false, err
		}
		fmt.Fprintf(w.out, "missing of %s: %d\n", o.IDs, missing)
		ok = ok && missing == 0
	}
	return ok, nil
}

// missingFrom counts the numbers in a file, one a line, that are not in the tally.
func missingFrom(file string, t *smtptest.Tally) (missing int64, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		n, err := strconv.ParseInt(lines.Text(), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %q is not a number", file, lines.Text())
		}
		if !t.Has(n) {
			missing++
		}
	}
	return missing, lines.Err()
}

// dumper stores each mail in a file of its own.
func dumper(dir string) func(*smtptest.Received) {
	var n atomic.Int64
	return func(r *smtptest.Received) {
		name := filepath.Join(dir, fmt.Sprintf("%08d.eml", n.Add(1)))
		if err := os.WriteFile(name, r.Data, 0o640); err != nil {
			fmt.Fprintln(os.Stderr, "sink:", err)
		}
	}
}
