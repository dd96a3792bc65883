package auth_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/auth"
)

// from logs in from an address.
func from(backend auth.Authenticator, address, name, password string) error {
	login := auth.Login{Username: name, Password: password, Service: "smtp"}
	if address != "" {
		login.Client = netip.AddrPortFrom(netip.MustParseAddr(address), 1234)
	}
	return backend.Authenticate(context.Background(), login)
}

// refusedFor returns how long a login is refused, and 0 if it is not.
func refusedFor(t *testing.T, err error) time.Duration {
	t.Helper()
	if limited, ok := errors.AsType[*auth.Limited](err); ok {
		require.NotErrorIs(t, err, auth.ErrRejected)
		return time.Until(limited.Until)
	}
	return 0
}

func TestLimitRefusesForGrowingTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := new(counting)
		l := &auth.Limit{Backend: backend, Free: 3, First: 10 * time.Second, Longest: time.Minute}
		for range 4 {
			require.ErrorIs(t, from(l, "192.0.2.1", "alice", "wrong"), auth.ErrRejected)
		}
		for _, want := range []time.Duration{10, 20, 40, 60, 60, 60} {
			want *= time.Second
			require.Equal(t, want, refusedFor(t, from(l, "192.0.2.1", "alice", "right")), "also the right password is refused")
			time.Sleep(want - time.Nanosecond)
			require.Equal(t, time.Nanosecond, refusedFor(t, from(l, "192.0.2.1", "alice", "wrong")), "a refusal counts for nothing")
			time.Sleep(time.Nanosecond)
			require.ErrorIs(t, from(l, "192.0.2.1", "alice", "wrong"), auth.ErrRejected)
		}
		require.EqualValues(t, 10, backend.asked.Load())
	})
}

func TestLimitCountsAddresses(t *testing.T) {
	for _, c := range []struct {
		name            string
		guilty, another string
		same            bool
	}{
		{"an IPv4 address", "192.0.2.1", "192.0.2.1", true},
		{"its neighbour", "192.0.2.1", "192.0.2.2", false},
		{"as IPv6", "192.0.2.1", "::ffff:192.0.2.1", true},
		{"the same /64", "2001:db8::1", "2001:db8::ffff:2", true},
		{"another /64", "2001:db8::1", "2001:db8:0:1::1", false},
		{"another zone", "fe80::1%eth0", "fe80::1%eth1", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &auth.Limit{Backend: new(counting), Free: 3}
			for i := range 4 {
				require.ErrorIs(t, from(l, c.guilty, fmt.Sprint("guess", i), "wrong"), auth.ErrRejected)
			}
			require.NotZero(t, refusedFor(t, from(l, c.guilty, "alice", "right")))
			err := from(l, c.another, "alice", "right")
			require.Equal(t, c.same, refusedFor(t, err) > 0)
		})
	}
}

// TestLimitCountsNames is brute force from many addresses.
func TestLimitCountsNames(t *testing.T) {
	l := &auth.Limit{Backend: new(counting), Free: 3}
	for i := range 4 {
		require.ErrorIs(t, from(l, fmt.Sprintf("192.0.2.%d", i), []string{"alice", "ALICE", " Alice", "alicE "}[i], "wrong"), auth.ErrRejected)
	}
	require.NotZero(t, refusedFor(t, from(l, "198.51.100.1", "alice", "right")))
	require.NotZero(t, refusedFor(t, from(l, "", "alice", "right")))
	require.NoError(t, from(l, "198.51.100.1", "bob", "right"))
	require.NoError(t, from(l, "192.0.2.1", "bob", "right"))
}

func TestLimitWithoutAddress(t *testing.T) {
	l := &auth.Limit{Backend: new(counting), Free: 1}
	for range 2 {
		require.ErrorIs(t, from(l, "", "alice", "wrong"), auth.ErrRejected)
	}
	require.NotZero(t, refusedFor(t, from(l, "", "alice", "right")))
	require.NoError(t, from(l, "", "bob", "right"), "who has no address is not one of many")
}

// TestLimitForgivesSuccess clears a name, so that people who mistype now and then are never refused, but not an address.
func TestLimitForgivesSuccess(t *testing.T) {
	l := &auth.Limit{Backend: new(counting), Free: 3}
	for i := range 10 {
		address := fmt.Sprintf("192.0.2.%d", i)
		for range 3 {
			require.ErrorIs(t, from(l, address, "alice", "wrong"), auth.ErrRejected)
		}
		require.NoError(t, from(l, address, "alice", "right"))
	}
	require.NoError(t, from(l, "192.0.2.1", "mallory", "right"))
	require.ErrorIs(t, from(l, "192.0.2.1", "bob", "wrong"), auth.ErrRejected)
	require.NotZero(t, refusedFor(t, from(l, "192.0.2.1", "carol", "wrong")))
}

func TestLimitCountsOnlyRejections(t *testing.T) {
	l := &auth.Limit{Backend: new(counting), Free: 1}
	for range 20 {
		require.ErrorIs(t, from(l, "192.0.2.1", "down", "right"), errDown)
	}
	require.NoError(t, from(l, "192.0.2.1", "alice", "right"))
	require.Empty(t, l.Failures(0))
}

func TestLimitForgetsInQuietTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &auth.Limit{Backend: new(counting), Free: 1, First: time.Minute, Quiet: time.Hour}
		for range 2 {
			require.ErrorIs(t, from(l, "192.0.2.1", "alice", "wrong"), auth.ErrRejected)
		}
		time.Sleep(time.Minute + time.Hour - time.Nanosecond)
		require.Len(t, l.Failures(0), 2)
		time.Sleep(time.Nanosecond)
		require.Empty(t, l.Failures(0))
		require.ErrorIs(t, from(l, "192.0.2.1", "alice", "wrong"), auth.ErrRejected)
		require.NoError(t, from(l, "192.0.2.1", "alice", "right"))
	})
}

// TestLimitTriesOneAtATime: after a refusal a crowd of guesses does not get in through the gap.
func TestLimitTriesOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := new(counting)
		l := &auth.Limit{Backend: backend, Free: 1, First: time.Minute}
		for range 2 {
			require.ErrorIs(t, from(l, "192.0.2.1", "alice", "wrong"), auth.ErrRejected)
		}
		time.Sleep(time.Minute)
		backend.asked.Store(0)
		backend.takes = time.Second
		var group sync.WaitGroup
		for i := range 100 {
			group.Go(func() { _ = from(l, "192.0.2.1", fmt.Sprint("user", i), "wrong") })
		}
		group.Wait()
		require.EqualValues(t, 1, backend.asked.Load())
		require.Equal(t, 2*time.Minute, refusedFor(t, from(l, "192.0.2.1", "alice", "right")))

		// A back end that does not know leaves the gap open for the next.
		time.Sleep(2 * time.Minute)
		require.ErrorIs(t, from(l, "192.0.2.1", "down", "right"), errDown)
		require.NoError(t, from(l, "192.0.2.1", "bob", "right"))
	})
}

// TestLimitLetsManyInAtOnce: one address with 200 right passwords at the same time is no attack.
func TestLimitLetsManyInAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &auth.Limit{Backend: &counting{takes: 300 * time.Millisecond}}
		start := time.Now()
		var group sync.WaitGroup
		for range 200 {
			group.Go(func() { require.NoError(t, from(l, "192.0.2.1", "alice", "right")) })
		}
		group.Wait()
		require.Equal(t, 300*time.Millisecond, time.Since(start))
	})
}

func TestLimitExempts(t *testing.T) {
	l := &auth.Limit{Backend: new(counting), Free: 1, Exempt: func(a netip.Addr) bool { return a == netip.MustParseAddr("192.0.2.1") }}
	for range 10 {
		require.ErrorIs(t, from(l, "::ffff:192.0.2.1", "alice", "wrong"), auth.ErrRejected)
	}
	require.NoError(t, from(l, "198.51.100.1", "alice", "right"))
	for range 2 {
		require.ErrorIs(t, from(l, "198.51.100.1", "alice", "wrong"), auth.ErrRejected)
	}
	require.NotZero(t, refusedFor(t, from(l, "198.51.100.1", "alice", "right")))
	require.NoError(t, from(l, "192.0.2.1", "alice", "right"), "an exempt address gets in with a name that others guess at")
}

func TestLimitTableIsBounded(t *testing.T) {
	l := &auth.Limit{Backend: new(counting), Free: 2, Size: 10}
	for i := range 1000 {
		address := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).String()
		_ = from(l, "198.51.100.1", "alice", "wrong") // is refused before long, and stays so
		_ = from(l, address, fmt.Sprint("user", i), "wrong")
	}
	require.Len(t, l.Failures(0), 20)
	require.Len(t, l.Failures(3), 6)
	_ = from(l, "203.0.113.1", strings.Repeat("long", 1<<18), "wrong")
	for _, f := range l.Failures(0) {
		require.LessOrEqual(t, len(f.Username), 300)
	}
}

func TestLimitFailuresAndPardon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &auth.Limit{Backend: new(counting), Free: 1, First: time.Minute}
		require.Empty(t, l.Failures(0))
		for _, name := range []string{"Alice", "alice", "bob"} {
			_ = from(l, "2001:db8::1", name, "wrong") // that of bob is refused
			_ = from(l, "192.0.2.1", "bob", "wrong")
		}
		now := time.Now()
		require.Equal(t, []auth.Failures{
			{Address: netip.MustParsePrefix("2001:db8::/64"), Rejected: 2, Last: now, Until: now.Add(time.Minute)},
			{Address: netip.MustParsePrefix("192.0.2.1/32"), Rejected: 2, Last: now, Until: now.Add(time.Minute)},
			{Username: "alice", Rejected: 2, Last: now, Until: now.Add(time.Minute)},
			{Username: "bob", Rejected: 2, Last: now, Until: now.Add(time.Minute)},
		}, sorted(l.Failures(0)))

		l.PardonUser("ALICE")
		require.NotZero(t, refusedFor(t, from(l, "2001:db8::1", "alice", "right")), "its address is still refused")
		l.Pardon(netip.MustParseAddr("2001:db8::2"))
		require.NoError(t, from(l, "2001:db8::1", "alice", "right"))
		l.Pardon(netip.Addr{})
		l.PardonUser("nobody")
		require.Len(t, l.Failures(0), 2)
	})
}

// sorted puts the entries that were last rejected at the same time in the order of the test.
func sorted(failures []auth.Failures) []auth.Failures {
	if len(failures) == 4 && failures[0].Address.Addr().Is4() {
		failures[0], failures[1] = failures[1], failures[0]
	}
	if len(failures) == 4 && failures[2].Username == "bob" {
		failures[2], failures[3] = failures[3], failures[2]
	}
	return failures
}

func TestLimitSurvivesAPanic(t *testing.T) {
	panics := true
	l := &auth.Limit{Free: 1, First: time.Nanosecond, Longest: time.Nanosecond, Backend: auth.Func(func(context.Context, auth.Login) error {
		if panics {
			panic("back end")
		}
		return nil
	})}
	for range 3 {
		require.Panics(t, func() { _ = from(l, "192.0.2.1", "alice", "right") })
	}
	panics = false
	require.NoError(t, from(l, "192.0.2.1", "alice", "right"))
}

func TestLimitedDoesNotSayWhy(t *testing.T) {
	require.EqualError(t, &auth.Limited{Until: time.Now()}, "too many failed logins, try again later")
}
