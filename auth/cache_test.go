package auth_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/auth"
)

// counting counts how often it is asked, and answers by the user's name.
type counting struct {
	asked atomic.Int64
	takes time.Duration
}

var errDown = errors.New("down")

func (c *counting) Authenticate(ctx context.Context, login auth.Login) error {
	c.asked.Add(1)
	if c.takes > 0 {
		select {
		case <-time.After(c.takes):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	switch {
	case login.Username == "down":
		return errDown
	case login.Password != "right":
		return fmt.Errorf("counting: %w", auth.ErrRejected)
	}
	return nil
}

func TestCacheRemembersAcceptancesForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := new(counting)
		c := &auth.Cache{Backend: backend}
		for range 10 {
			require.NoError(t, ask(t, c, "alice", "right"))
		}
		require.EqualValues(t, 1, backend.asked.Load())

		time.Sleep(5*time.Minute - time.Nanosecond)
		require.NoError(t, ask(t, c, "alice", "right"))
		require.EqualValues(t, 1, backend.asked.Load())
		time.Sleep(time.Nanosecond) // being asked for does not make it last longer
		require.NoError(t, ask(t, c, "alice", "right"))
		require.EqualValues(t, 2, backend.asked.Load())
	})
}

func TestCacheRemembersNothingElse(t *testing.T) {
	backend := new(counting)
	c := &auth.Cache{Backend: backend}
	for range 3 {
		require.ErrorIs(t, ask(t, c, "alice", "wrong"), auth.ErrRejected)
		require.ErrorIs(t, ask(t, c, "down", "right"), errDown)
	}
	require.EqualValues(t, 6, backend.asked.Load())
}

func TestCacheTellsLoginsApart(t *testing.T) {
	backend := new(counting)
	c := &auth.Cache{Backend: backend}
	logins := []auth.Login{
		{Username: "alice", Password: "right"}, {Username: "bob", Password: "right"},
		{Username: "aliceright", Password: "right"},
		{Username: "alice", Password: "right", Service: "smtp"}, {Username: "alice", Password: "right", Service: "www"},
		{Username: "smtpalice", Password: "right"}, {Username: "alic", Password: "right", Service: "e"},
	}
	for range 2 {
		for _, l := range logins {
			require.NoError(t, c.Authenticate(t.Context(), l))
		}
	}
	require.EqualValues(t, len(logins), backend.asked.Load())
	require.ErrorIs(t, ask(t, c, "alice", "right "), auth.ErrRejected)
	require.ErrorIs(t, ask(t, c, "alicer", "ight"), auth.ErrRejected)
	require.ErrorIs(t, ask(t, c, "alice", ""), auth.ErrRejected)
}

func TestCacheIsBounded(t *testing.T) {
	backend := new(counting)
	c := &auth.Cache{Backend: backend, Size: 3}
	for i := range 100 {
		require.NoError(t, ask(t, c, fmt.Sprint("user", i), "right"))
	}
	for _, i := range []int{99, 98, 97} {
		require.NoError(t, ask(t, c, fmt.Sprint("user", i), "right"))
	}
	require.EqualValues(t, 100, backend.asked.Load())
	require.NoError(t, ask(t, c, "user96", "right")) // gone, and takes the place of user97
	require.EqualValues(t, 101, backend.asked.Load())
	require.NoError(t, ask(t, c, "user99", "right"))
	require.EqualValues(t, 101, backend.asked.Load())
	require.NoError(t, ask(t, c, "user97", "right"))
	require.EqualValues(t, 102, backend.asked.Load())
}

// TestCacheComesAndGoes keeps a few logins known while time goes on, more often than there is room for.
func TestCacheComesAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := new(counting)
		c := &auth.Cache{Backend: backend, Size: 10, TTL: time.Minute}
		for round := range 1000 {
			name := fmt.Sprint("user", round*7%5)
			require.NoError(t, ask(t, c, name, "right"))
			require.ErrorIs(t, ask(t, c, name, "wrong"), auth.ErrRejected)
			time.Sleep(time.Second)
		}
		accepted := backend.asked.Load() - 1000
		require.InDelta(t, 1000/60*5, accepted, 10)
	})
}

func TestCacheForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &counting{takes: time.Second}
		c := &auth.Cache{Backend: backend}
		require.NoError(t, ask(t, c, "alice", "right"))
		c.Forget()
		require.NoError(t, ask(t, c, "alice", "right"))
		require.EqualValues(t, 2, backend.asked.Load())

		// What was asked before the password changed says nothing about the time after.
		answer := make(chan error)
		go func() { answer <- ask(t, c, "bob", "right") }()
		synctest.Wait()
		c.Forget()
		require.NoError(t, <-answer)
		require.NoError(t, ask(t, c, "bob", "right"))
		require.EqualValues(t, 4, backend.asked.Load())
	})
}

func TestCacheAsksOnceForTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &counting{takes: 300 * time.Millisecond}
		c := &auth.Cache{Backend: backend}
		start := time.Now()
		var group sync.WaitGroup
		for i := range 200 {
			group.Go(func() {
				switch i % 4 {
				case 0:
					require.ErrorIs(t, ask(t, c, "alice", "wrong"), auth.ErrRejected)
				case 1:
					require.ErrorIs(t, ask(t, c, "down", "right"), errDown)
				default:
					require.NoError(t, ask(t, c, "alice", "right"))
				}
			})
		}
		group.Wait()
		require.EqualValues(t, 3, backend.asked.Load())
		require.Equal(t, 300*time.Millisecond, time.Since(start))
	})
}

func TestCacheDifferentLoginsDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &auth.Cache{Backend: &counting{takes: 300 * time.Millisecond}}
		start := time.Now()
		var group sync.WaitGroup
		for i := range 200 {
			group.Go(func() { require.NoError(t, ask(t, c, fmt.Sprint("user", i), "right")) })
		}
		group.Wait()
		require.Equal(t, 300*time.Millisecond, time.Since(start))
	})
}

// TestCacheOutlivesTheOneWhoAsked: when the client whose question it is goes, another of those who wait asks again.
func TestCacheOutlivesTheOneWhoAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &counting{takes: time.Second}
		c := &auth.Cache{Backend: backend}
		gone, leave := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer leave()
		var group sync.WaitGroup
		group.Go(func() {
			err := c.Authenticate(gone, auth.Login{Username: "alice", Password: "right"})
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
		synctest.Wait()
		for range 5 {
			group.Go(func() { require.NoError(t, ask(t, c, "alice", "right")) })
		}
		group.Go(func() { // this one only waits, and not for long
			err := c.Authenticate(gone, auth.Login{Username: "alice", Password: "right"})
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
		group.Wait()
		require.EqualValues(t, 2, backend.asked.Load())
	})
}

func TestCacheSurvivesAPanic(t *testing.T) {
	panics := true
	c := &auth.Cache{Backend: auth.Func(func(context.Context, auth.Login) error {
		if panics {
			panic("back end")
		}
		return nil
	})}
	require.Panics(t, func() { _ = ask(t, c, "alice", "right") })
	panics = false
	require.NoError(t, ask(t, c, "alice", "right"))
}
