package throttle_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/throttle"
)

func take(side *throttle.SlotSide) (n int) {
	for n < 1000 && side.TryAcquire() {
		n++
	}
	return n
}

func TestSlotsReserve(t *testing.T) {
	for _, c := range []struct {
		name           string
		total, in, out int
		takeOut        int // how many outgoing are taken first, at most
		wantOut        int
		wantIn         int
	}{
		{"sending takes all it may, 25 remain for clients", 100, 50, 75, 1000, 75, 25},
		{"clients grow to their limit when sending is slow", 100, 50, 75, 10, 10, 50},
		{"the total holds both", 100, 50, 75, 60, 60, 40},
		{"no total", 0, 50, 75, 1000, 75, 50},
		{"only a total", 20, 0, 0, 15, 15, 5},
		{"no limits", 0, 0, 0, 1000, 1000, 1000},
		{"negative is none", -1, -5, -2, 1000, 1000, 1000},
		{"sides beyond the total", 10, 50, 50, 1000, 10, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := throttle.NewSlots(c.total, c.in, c.out)
			got := 0
			for got < c.takeOut && s.Outgoing().TryAcquire() {
				got++
			}
			require.Equal(t, c.wantOut, got)
			require.Equal(t, c.wantIn, take(s.Incoming()))
			require.Equal(t, c.wantOut, s.Outgoing().Used())
			require.Equal(t, c.wantIn, s.Incoming().Used())
		})
	}
}

func TestSlotsFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := throttle.NewSlots(1, 0, 0)
		require.True(t, s.Incoming().TryAcquire())
		var mu sync.Mutex
		var order []int
		for i := range 5 {
			go func() {
				require.NoError(t, s.Incoming().Acquire(t.Context()))
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
			}()
			synctest.Wait()
		}
		require.Equal(t, 5, s.Incoming().Waiting())
		require.False(t, s.Incoming().TryAcquire(), "nobody jumps the line")
		for range 5 {
			s.Incoming().Release()
			synctest.Wait()
		}
		require.Equal(t, []int{0, 1, 2, 3, 4}, order)
		require.Zero(t, s.Incoming().Waiting())
	})
}

func TestSlotsSidesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := throttle.NewSlots(1, 0, 0)
		require.True(t, s.Outgoing().TryAcquire())
		served := make(chan string, 100)
		wait := func(name string, side *throttle.SlotSide) {
			if side.Acquire(t.Context()) == nil {
				served <- name
			}
		}
		for range 10 {
			go wait("in", s.Incoming())
		}
		synctest.Wait()
		for range 2 {
			go wait("out", s.Outgoing())
		}
		synctest.Wait()
		holder := s.Outgoing()
		var got []string
		for range 6 {
			holder.Release()
			name := <-served
			got = append(got, name)
			holder = map[string]*throttle.SlotSide{"in": s.Incoming(), "out": s.Outgoing()}[name]
		}
		require.Equal(t, []string{"in", "out", "in", "out", "in", "in"}, got,
			"two outgoing callers behind ten incoming ones are served in turn")
		for range 6 {
			holder.Release()
			synctest.Wait()
			holder = s.Incoming()
		}
	})
}

func TestSlotsGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := throttle.NewSlots(1, 0, 0)
		require.True(t, s.Incoming().TryAcquire())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, s.Incoming().Acquire(ctx), context.DeadlineExceeded)
		require.Zero(t, s.Incoming().Waiting())
		require.ErrorIs(t, s.Outgoing().Acquire(ctx), context.DeadlineExceeded, "an ended context gets nothing")
		s.Incoming().Release()
		require.ErrorIs(t, s.Outgoing().Acquire(ctx), context.DeadlineExceeded, "not even a free one")
		require.True(t, s.Outgoing().TryAcquire(), "and nothing was lost")
	})
}

func TestSlotsSetLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := throttle.NewSlots(10, 5, 5)
		require.Equal(t, 5, take(s.Outgoing()))
		done := make(chan error, 1)
		go func() { done <- s.Outgoing().Acquire(t.Context()) }()
		synctest.Wait()
		s.SetLimits(10, 5, 6)
		require.NoError(t, <-done, "a raised limit serves those who wait")

		s.SetLimits(10, 5, 2)
		for range 4 {
			s.Outgoing().Release()
			require.False(t, s.Outgoing().TryAcquire(), "after a reduction none until enough came back")
		}
		s.Outgoing().Release()
		require.True(t, s.Outgoing().TryAcquire())
		total, in, out := s.Limits()
		require.Equal(t, []int{10, 5, 2}, []int{total, in, out})
	})
}

func TestSlotsChanged(t *testing.T) {
	s := throttle.NewSlots(2, 0, 1)
	var calls atomic.Int32
	s.Outgoing().Changed(func() {
		calls.Add(1)
		s.Outgoing().TryAcquire()
	})
	require.True(t, s.Outgoing().TryAcquire())
	s.Outgoing().Release()
	require.Zero(t, calls.Load(), "nobody missed anything")

	require.True(t, s.Incoming().TryAcquire())
	require.True(t, s.Incoming().TryAcquire())
	require.False(t, s.Outgoing().TryAcquire())
	s.Incoming().Release()
	require.EqualValues(t, 1, calls.Load(), "a slot of the other side counts")
	require.Equal(t, 1, s.Outgoing().Used(), "the listener may take it at once")
	s.Incoming().Release()
	require.EqualValues(t, 1, calls.Load())

	require.False(t, s.Outgoing().TryAcquire())
	s.SetLimits(2, 0, 2)
	require.EqualValues(t, 2, calls.Load(), "raised limits count")
}

func TestSlotsReleaseTooOften(t *testing.T) {
	s := throttle.NewSlots(1, 0, 0)
	require.Panics(t, func() { s.Incoming().Release() })
	require.True(t, s.Incoming().TryAcquire(), "and it is still usable")
}

// TestSlotsStorm lets many callers take, give up and release while the limits change, and holds what is out against the
// limits. At the end nothing is lost and nobody waits.
func TestSlotsStorm(t *testing.T) {
	const total, in, out = 20, 10, 15
	s := throttle.NewSlots(total, in, out)
	var held [2]atomic.Int32
	var wg sync.WaitGroup
	for worker := range 32 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(worker)))
			i := worker % 2
			side := []*throttle.SlotSide{s.Incoming(), s.Outgoing()}[i]
			for range 500 {
				if !stormTake(t, r, side) {
					continue
				}
				n, other := held[i].Add(1), held[1-i].Load()
				if n > []int32{in, out}[i] || n+other > total {
					t.Errorf("side %d holds %d, the other %d", i, n, other)
				}
				held[i].Add(-1)
				side.Release()
				if r.IntN(50) == 0 {
					s.SetLimits(total-r.IntN(5), in-r.IntN(5), out-r.IntN(5))
				}
			}
		})
	}
	wg.Wait()
	s.SetLimits(total, in, out)
	require.Zero(t, s.Incoming().Used()+s.Outgoing().Used())
	require.Zero(t, s.Incoming().Waiting()+s.Outgoing().Waiting())
	require.Equal(t, 15, take(s.Outgoing()))
	require.Equal(t, 5, take(s.Incoming()))
}

func stormTake(t *testing.T, r *rand.Rand, side *throttle.SlotSide) bool {
	switch r.IntN(3) {
	case 0:
		return side.TryAcquire()
	case 1:
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(200))*time.Microsecond)
		defer cancel()
		return side.Acquire(ctx) == nil
	default:
		return side.Acquire(t.Context()) == nil
	}
}

func BenchmarkSlots(b *testing.B) {
	s := throttle.NewSlots(1000, 500, 750)
	side := s.Outgoing()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if side.TryAcquire() {
				side.Release()
			}
		}
	})
}
