package auth_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
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
			require.Equal(t, time.Nanosecond, refusedFor(t, from(l, "192.0.2.1", "alice", "wrong")),
				"a refusal counts for nothing")
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

// TestLimitCountsNetworks is brute force from the addresses of one network.
func TestLimitCountsNetworks(t *testing.T) {
	for _, c := range []struct {
		name, guilty, another string // guilty has the number of an address
		same                  bool
	}{
		{"the same /24", "192.0.2.%d", "192.0.2.200", true},
		{"another /24", "192.0.2.%d", "192.0.3.200", false},
		{"the same /48", "2001:db8:1:%d::1", "2001:db8:1:ffff::1", true},
		{"another /48", "2001:db8:1:%d::1", "2001:db8:2::1", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &auth.Limit{Backend: new(counting), Free: 3}
			for i := range 13 {
				require.ErrorIs(t, from(l, fmt.Sprintf(c.guilty, i), fmt.Sprint("guess", i), "wrong"), auth.ErrRejected)
			}
			require.Equal(t, c.same, refusedFor(t, from(l, c.another, "alice", "right")) > 0)
		})
	}
}

// strangers guess at a name at the same time, each from a network of its own, and return how many had an answer.
func strangers(l *auth.Limit, many int, name string) (answered int64) {
	var count atomic.Int64
	var group sync.WaitGroup
	for i := range many {
		group.Go(func() {
			if err := from(l, fmt.Sprintf("10.%d.%d.1", i/256, i%256), name, "wrong"); errors.Is(err, auth.ErrRejected) {
				count.Add(1)
			}
		})
	}
	group.Wait()
	return count.Load()
}

// TestLimitSlowsNames is brute force from many networks: the name has answers in turn, with growing pauses, and few
// wait.
func TestLimitSlowsNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &auth.Limit{Backend: new(counting), Free: 3}
		for i, spelled := range []string{"alice", "ALICE", " Alice", "alicE "} {
			require.ErrorIs(t, from(l, fmt.Sprintf("10.1.%d.1", i), spelled, "wrong"), auth.ErrRejected)
		}
		for i, pause := range []time.Duration{1, 2, 4, 8, 10, 10} {
			start := time.Now()
			require.ErrorIs(t, from(l, fmt.Sprintf("10.2.%d.1", i), "alice", "wrong"), auth.ErrRejected)
			require.Equal(t, pause*time.Second, time.Since(start))
		}
		start := time.Now()
		require.LessOrEqual(t, strangers(l, 1000, "alice"), int64(2))
		require.LessOrEqual(t, time.Since(start), 20*time.Second)
		for range 50 { // an hour of attack is a few hundred guesses
			strangers(l, 100, "alice")
			time.Sleep(time.Minute)
		}
		require.NoError(t, from(l, "203.0.113.1", "bob", "right"), "others are not concerned")

		start = time.Now()
		require.NoError(t, from(l, "198.51.100.1", "alice", "right"),
			"slow, not shut, from where nobody has logged in before")
		require.LessOrEqual(t, time.Since(start), 10*time.Second)
		start = time.Now()
		require.ErrorIs(t, from(l, "203.0.113.1", "alice", "wrong"), auth.ErrRejected)
		require.Zero(t, time.Since(start), "an acceptance clears the name")
	})
}

// TestLimitWaitsNoLongerThanItsClient: a client that leaves while it waits counts for nothing.
func TestLimitWaitsNoLongerThanItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := new(counting)
		l := &auth.Limit{Backend: backend, Free: 1}
		strangers(l, 2, "alice")
		asked := backend.asked.Load()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		login := auth.Login{Username: "alice", Password: "right", Client: netip.MustParseAddrPort("198.51.100.1:1234")}
		require.ErrorIs(t, l.Authenticate(ctx, login), context.DeadlineExceeded)
		require.Equal(t, asked, backend.asked.Load())
		require.NoError(t, from(l, "198.51.100.1", "alice", "right"))
	})
}

// TestLimitKnowsRegulars: what others guess does not matter where a name was accepted lately.
func TestLimitKnowsRegulars(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &auth.Limit{Backend: new(counting)}
		require.NoError(t, from(l, "192.0.2.1", "alice", "right"))
		require.NoError(t, from(l, "2001:db8::1", "alice", "right"))
		for i := range 11 {
			require.ErrorIs(t, from(l, fmt.Sprintf("192.0.2.%d", 100+i), "alice", "wrong"), auth.ErrRejected)
		}
		for i := range 200 { // and the network and the address are refused as well
			_ = from(l, fmt.Sprintf("192.0.2.%d", i), fmt.Sprint("guess", i%100), "wrong")
			_ = from(l, "192.0.2.1", fmt.Sprint("guess", i%100), "wrong")
		}
		start := time.Now()
		for range 10 {
			require.NoError(t, from(l, "192.0.2.1", "alice", "right"))
			require.NoError(t, from(l, "::ffff:192.0.2.1", "alice", "right"))
			require.NoError(t, from(l, "2001:db8::ffff", "alice", "right"), "the same customer")
		}
		require.Zero(t, time.Since(start), "nor is there a wait")
		require.NotZero(t, refusedFor(t, from(l, "192.0.2.1", "bob", "right")), "another name from there")
		require.NotZero(t, refusedFor(t, from(l, "192.0.2.2", "alice", "right")), "that name from elsewhere in the network")
	})
}

// TestLimitSlowsRegulars: who guesses at a name from where it logs in is slowed, and the right password still passes.
func TestLimitSlowsRegulars(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := new(counting)
		l := &auth.Limit{Backend: backend}
		require.NoError(t, from(l, "192.0.2.1", "alice", "right"))
		start := time.Now()
		for range 100 {
			require.ErrorIs(t, from(l, "192.0.2.1", "alice", "wrong"), auth.ErrRejected)
		}
		require.Greater(t, time.Since(start), 800*time.Second)
		require.Contains(t, l.Failures(0), auth.Failures{
			Address: netip.MustParsePrefix("192.0.2.1/32"), Username: "alice", Rejected: 100, Last: time.Now(),
			Until: time.Now().Add(10 * time.Second),
		})
		require.NoError(t, from(l, "192.0.2.1", "alice", "right"))

		start = time.Now()
		require.NoError(t, from(l, "192.0.2.1", "alice", "right"))
		require.Zero(t, time.Since(start))
		for range 11 {
			require.ErrorIs(t, from(l, "192.0.2.1", "alice", "wrong"), auth.ErrRejected)
		}
		backend.asked.Store(0)
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() { _ = from(l, "192.0.2.1", "alice", "wrong") })
		}
		group.Wait()
		require.LessOrEqual(t, backend.asked.Load(), int64(11), "few wait")
		l.PardonUser("ALICE")
		start = time.Now()
		require.NoError(t, from(l, "192.0.2.1", "alice", "right"))
		require.Zero(t, time.Since(start))
	})
}

// TestLimitForgetsRegulars, in time and when there are many.
func TestLimitForgetsRegulars(t *testing.T) {
	guessed := func(l *auth.Limit, address string) {
		for i := range 3 {
			_ = from(l, address, fmt.Sprint("guess", i), "wrong")
		}
	}
	known := func(l *auth.Limit, address, name string) bool { return from(l, address, name, "right") == nil }
	synctest.Test(t, func(t *testing.T) {
		l := &auth.Limit{Backend: new(counting), Free: 2, Known: time.Hour}
		require.NoError(t, from(l, "192.0.2.1", "alice", "right"))
		time.Sleep(time.Hour - time.Second)
		guessed(l, "192.0.2.1")
		require.True(t, known(l, "192.0.2.1", "alice"), "which makes it last longer")
		time.Sleep(time.Hour)
		guessed(l, "192.0.2.1")
		require.False(t, known(l, "192.0.2.1", "alice"))
	})
	t.Run("many names", func(t *testing.T) {
		l := &auth.Limit{Backend: new(counting), Free: 2, Size: 10}
		require.NoError(t, from(l, "192.0.2.1", "alice", "right"))
		require.NoError(t, from(l, "192.0.2.1", "bob", "right"))
		for i := range 9 {
			require.NoError(t, from(l, "192.0.2.1", fmt.Sprint("user", i), "right"))
		}
		guessed(l, "192.0.2.1")
		require.False(t, known(l, "192.0.2.1", "alice"), "the one who came first makes room")
		require.True(t, known(l, "192.0.2.1", "bob"))
	})
	t.Run("many addresses", func(t *testing.T) {
		l := &auth.Limit{Backend: new(counting), Free: 2, Size: 10}
		require.NoError(t, from(l, "192.0.2.1", "alice", "right"))
		require.NoError(t, from(l, "192.0.2.1", "bob", "right"))
		for i := range 16 {
			require.NoError(t, from(l, fmt.Sprintf("198.51.100.%d", i), "bob", "right"))
		}
		guessed(l, "192.0.2.1")
		require.True(t, known(l, "192.0.2.1", "alice"), "whoever has many addresses pushes out his own")
		require.False(t, known(l, "192.0.2.1", "bob"))
	})
	t.Run("long names", func(t *testing.T) {
		l := &auth.Limit{Backend: new(counting), Free: 2}
		name := strings.Repeat("a", 257)
		require.NoError(t, from(l, "192.0.2.1", name, "right"))
		guessed(l, "192.0.2.1")
		require.False(t, known(l, "192.0.2.1", name), "are not kept")
	})
	t.Run("spelled otherwise", func(t *testing.T) {
		l := &auth.Limit{Backend: new(counting), Free: 2}
		require.NoError(t, from(l, "192.0.2.1", "Alice", "right"))
		guessed(l, "192.0.2.1")
		require.False(t, known(l, "192.0.2.1", "alice"), "is perhaps another user")
	})
}

func TestLimitWithoutAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &auth.Limit{Backend: new(counting), Free: 1}
		for range 2 {
			require.ErrorIs(t, from(l, "", "alice", "wrong"), auth.ErrRejected)
		}
		start := time.Now()
		require.NoError(t, from(l, "", "bob", "right"), "who has no address is not one of many")
		require.Zero(t, time.Since(start))
		require.ErrorIs(t, from(l, "", "alice", "wrong"), auth.ErrRejected)
		require.Equal(t, time.Second, time.Since(start))
	})
}

// TestLimitForgivesSuccess clears a name, so that people who mistype now and then are never refused, but not an
// address.
func TestLimitForgivesSuccess(t *testing.T) {
	l := &auth.Limit{Backend: new(counting), Free: 3}
	for i := range 10 {
		address := fmt.Sprintf("10.0.%d.1", i)
		for range 3 {
			require.ErrorIs(t, from(l, address, "alice", "wrong"), auth.ErrRejected)
		}
		require.NoError(t, from(l, address, "alice", "right"))
	}
	require.NoError(t, from(l, "10.0.1.1", "mallory", "right"))
	require.ErrorIs(t, from(l, "10.0.1.1", "bob", "wrong"), auth.ErrRejected)
	require.NotZero(t, refusedFor(t, from(l, "10.0.1.1", "carol", "wrong")))
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
		require.Len(t, l.Failures(0), 1, "the name had less to wait for")
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
	synctest.Test(t, func(t *testing.T) {
		l := &auth.Limit{Backend: new(counting), Free: 1,
			Exempt: func(a netip.Addr) bool { return a == netip.MustParseAddr("192.0.2.1") }}
		for range 10 {
			require.ErrorIs(t, from(l, "::ffff:192.0.2.1", "alice", "wrong"), auth.ErrRejected)
		}
		require.NoError(t, from(l, "198.51.100.1", "alice", "right"))
		for range 2 {
			require.ErrorIs(t, from(l, "203.0.113.1", "alice", "wrong"), auth.ErrRejected)
		}
		require.NotZero(t, refusedFor(t, from(l, "203.0.113.1", "alice", "right")))
		start := time.Now()
		for range 10 {
			require.NoError(t, from(l, "192.0.2.1", "alice", "right"),
				"an exempt address gets in with a name that others guess at")
		}
		require.Zero(t, time.Since(start))
	})
}

func TestLimitTablesAreBounded(t *testing.T) {
	l := &auth.Limit{Backend: new(counting), Free: 2, Size: 10}
	for i := range 1000 {
		address := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}).String()
		_ = from(l, "198.51.100.1", "alice", "wrong") // is refused before long, and stays so
		_ = from(l, address, fmt.Sprint("user", i), "wrong")
		require.NoError(t, from(l, address, fmt.Sprint("friend", i), "right"))
		_ = from(l, address, fmt.Sprint("friend", i), "wrong")
	}
	require.Len(t, l.Failures(0), 30, "addresses, names, and both together")
	require.Len(t, l.Failures(3), 9)
	for i := range 1000 {
		_ = from(l, netip.AddrFrom4([4]byte{10, 200, byte(i / 10), byte(i % 10)}).String(), fmt.Sprint("user", i), "wrong")
	}
	require.Len(t, l.Failures(0), 40, "and networks")
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
			{Username: "alice", Rejected: 2, Last: now, Until: now.Add(time.Second)},
			{Username: "bob", Rejected: 2, Last: now, Until: now.Add(time.Second)},
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
	l := &auth.Limit{Free: 1, First: time.Nanosecond, Longest: time.Nanosecond,
		Backend: auth.Func(func(context.Context, auth.Login) error {
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
