package frame

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// oracle answers with numbers, after a while.
type oracle struct {
	asked atomic.Int64
	takes atomic.Int64 // nanoseconds
	fails atomic.Bool
}

func (o *oracle) answer(ctx context.Context) (int64, error) {
	n := o.asked.Add(1)
	select {
	case <-time.After(time.Duration(o.takes.Load())):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if o.fails.Load() {
		return 0, errors.New("no answer today")
	}
	return n, nil
}

// latest is what an oracle said last.
func (o *oracle) latest(f *Frame) *Latest[int64] {
	return NewLatest(f, 2*time.Second, 5*time.Second, o.answer)
}

func TestLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, o := new(Frame), new(oracle)
		l := o.latest(f)
		require.NoError(t, f.Check())
		defer f.Close()
		get := func() (n int64, took time.Duration, err error) {
			begun := time.Now()
			n, _, err = l.Get()
			return n, time.Since(begun), err
		}
		expect := func(want int64, wantErr string, within time.Duration) {
			t.Helper()
			n, took, err := get()
			require.Equal(t, want, n)
			if wantErr == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, wantErr)
			}
			require.LessOrEqual(t, took, within)
		}
		o.takes.Store(int64(100 * time.Millisecond))
		expect(1, "", 100*time.Millisecond)
		expect(1, "", 0)
		time.Sleep(2 * time.Second)
		expect(2, "", 100*time.Millisecond)

		// It gets slow: the first who asks waits a moment, the next do not wait at all, and it is asked once at a time.
		o.takes.Store(int64(3 * time.Second))
		time.Sleep(2 * time.Second)
		expect(2, "", briefly)
		for range 1000 {
			expect(2, "", 0)
		}
		require.EqualValues(t, 3, o.asked.Load())
		time.Sleep(3 * time.Second)

		// It never answers: the deadline ends the question, and the last answer stays beside the error.
		o.takes.Store(int64(time.Hour))
		expect(3, "", 0)
		time.Sleep(6 * time.Second)
		expect(3, "deadline exceeded", 0)
		synctest.Wait()

		// It fails, and comes back.
		o.takes.Store(0)
		o.fails.Store(true)
		time.Sleep(6 * time.Second)
		_, _, _ = get()
		synctest.Wait()
		expect(3, "no answer today", 0)
		o.fails.Store(false)
		time.Sleep(3 * time.Second)
		expect(o.asked.Load()+1, "", 0)
	})
}

// TestLatestForgets an answer that is on its way when something is changed.
func TestLatestForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, o := new(Frame), new(oracle)
		l := o.latest(f)
		require.NoError(t, f.Check())
		defer f.Close()
		o.takes.Store(int64(200 * time.Millisecond))
		var all sync.WaitGroup
		all.Go(func() { _, _, _ = l.Get() })
		synctest.Wait()
		l.Forget()
		n, _, err := l.Get()
		require.NoError(t, err)
		require.EqualValues(t, 2, n, "what was asked for before the change is not it")
		all.Wait()
	})
}

// TestLatestFromMemory has no deadline: whoever asks waits, however slow the answer before was.
func TestLatestFromMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, o := new(Frame), new(oracle)
		l := NewLatest(f, 2*time.Second, 0, o.answer)
		require.NoError(t, f.Check())
		defer f.Close()
		o.takes.Store(int64(time.Minute))
		for want := range int64(3) {
			begun := time.Now()
			var all sync.WaitGroup
			for range 5 {
				all.Go(func() {
					n, _, err := l.Get()
					require.NoError(t, err)
					require.Equal(t, want+1, n, "one answer for all")
				})
			}
			all.Wait()
			require.Equal(t, time.Minute, time.Since(begun))
		}
	})
}

// TestLastWaitsForNothing sees that Last asks, and returns what there is.
func TestLastWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, o := new(Frame), new(oracle)
		l := o.latest(f)
		require.NoError(t, f.Check())
		defer f.Close()
		o.takes.Store(int64(100 * time.Millisecond))
		begun := time.Now()
		_, at, err := l.Last()
		require.NoError(t, err)
		require.True(t, at.IsZero(), "there was no answer yet")
		require.Zero(t, time.Since(begun))
		time.Sleep(time.Second)
		n, _, err := l.Last()
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
	})
}
