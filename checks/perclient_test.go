package checks_test

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks"
)

// plodder is a scanner that takes a minute, unless its context ends, and counts.
type plodder struct {
	mu           sync.Mutex
	now, most, n int
}

func (s *plodder) Name() string { return "virus" }

func (s *plodder) After() []string { return []string{"dkim"} }

func (s *plodder) Check(ctx context.Context, _ *checks.Mail) ([]checks.Result, error) {
	s.mu.Lock()
	s.now++
	s.n++
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	select {
	case <-time.After(time.Minute):
	case <-ctx.Done():
	}
	s.mu.Lock()
	s.now--
	s.mu.Unlock()
	return []checks.Result{{Check: "virus", Verdict: checks.Pass}}, nil
}

func TestPerClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &plodder{}
		p := &checks.PerClient{Checker: s, Limit: 2}
		began := time.Now()
		var all sync.WaitGroup
		ask := func(client string, limit time.Duration, want checks.Verdict, after time.Duration) {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				results, err := p.Check(ctx, &checks.Mail{Client: netip.MustParseAddr(client)})
				if err != nil || results[0].Verdict != want || time.Since(began) != after {
					t.Errorf("%s: %v, %v after %v; want %v after %v", client, results, err, time.Since(began), want, after)
				}
			})
			synctest.Wait()
		}
		ask("2001:db8::1", time.Hour, checks.Pass, time.Minute)
		ask("2001:db8::2", time.Hour, checks.Pass, time.Minute)
		ask("2001:db8::3", 30*time.Second, checks.TempError, 30*time.Second) // the same network
		ask("2001:db8::4", time.Hour, checks.Pass, 2*time.Minute)
		ask("2001:db8:0:1::1", time.Hour, checks.Pass, time.Minute)
		ask("192.0.2.1", time.Hour, checks.Pass, time.Minute)
		ask("192.0.2.2", time.Hour, checks.Pass, time.Minute)
		ask("::ffff:192.0.2.2", time.Hour, checks.Pass, time.Minute)
		ask("192.0.2.2", time.Hour, checks.Pass, 2*time.Minute)
		all.Wait()
		require.Equal(t, 6, s.most)
		require.Equal(t, 8, s.n, "one gave up before its turn")
	})
}

func TestPerClientWaitsForWhatItsCheckWaitsFor(t *testing.T) {
	require.Equal(t, []string{"dkim"}, (&checks.PerClient{Checker: &plodder{}}).After())
	require.Empty(t, (&checks.PerClient{Checker: namedOnly("spam")}).After())
	require.Equal(t, "spam", (&checks.PerClient{Checker: namedOnly("spam")}).Name())
}

type namedOnly string

func (n namedOnly) Name() string { return string(n) }

func (n namedOnly) Check(context.Context, *checks.Mail) ([]checks.Result, error) { return nil, nil }
