package checks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/checkstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// check is a checker made of a function.
type check struct {
	name  string
	check func(ctx context.Context, mail *checks.Mail) ([]checks.Result, error)
}

func (c check) Name() string { return c.name }
func (c check) Check(ctx context.Context, mail *checks.Mail) ([]checks.Result, error) {
	return c.check(ctx, mail)
}

// after is one that waits for others.
type after struct {
	check
	names []string
}

func (a after) After() []string { return a.names }

// connecting is one for connections.
type connecting struct{ check }

func (c connecting) CheckConnect(ctx context.Context, client netip.Addr) ([]checks.Result, error) {
	return []checks.Result{{Verdict: checks.Fail, Reason: client.String()}}, nil
}

// slow takes its time, and heeds its context if it is polite.
func slow(name string, d time.Duration, polite bool) check {
	return check{name, func(ctx context.Context, _ *checks.Mail) ([]checks.Result, error) {
		var done <-chan struct{}
		if polite {
			done = ctx.Done()
		}
		select {
		case <-time.After(d):
			return []checks.Result{{Verdict: checks.Pass}}, nil
		case <-done:
			return nil, ctx.Err()
		}
	}}
}

func verdicts(results []checks.Result) string {
	var b strings.Builder
	for i, r := range results {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(r.Check + "=" + string(r.Verdict))
	}
	return b.String()
}

func TestParallelInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &checks.Runner{Checkers: []checks.Checker{slow("a", 3*time.Second, true), slow("b", time.Second, true),
			slow("c", 2*time.Second, true)}}
		begin := time.Now()
		results := r.Check(t.Context(), &checks.Mail{})
		require.Equal(t, "a=pass b=pass c=pass", verdicts(results))
		require.Equal(t, 3*time.Second, time.Since(begin))
		require.Equal(t, `{"a":"pass"}`, string(results[0].JSON))
	})
}

// TestLimit has checks that overrun their time, politely or not, beside one that does not.
func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		took := map[string]time.Duration{}
		r := &checks.Runner{Timeout: 5 * time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Checkers: []checks.Checker{slow("polite", time.Hour, true), slow("rude", time.Hour, false),
				slow("good", time.Second, true)},
			Took: func(check string, d time.Duration) { took[check] = d }}
		begin := time.Now()
		results := r.Check(t.Context(), &checks.Mail{})
		require.Equal(t, "polite=temperror rude=temperror good=pass", verdicts(results))
		require.Equal(t, "no verdict in time", results[0].Reason)
		require.Equal(t, "no verdict in time", results[1].Reason)
		require.Equal(t, 5*time.Second+100*time.Millisecond, time.Since(begin))
		require.Contains(t, log.String(), `msg="check hangs" check=rude`)
		require.Equal(t, map[string]time.Duration{"polite": 5 * time.Second, "rude": 5*time.Second + 100*time.Millisecond,
			"good": time.Second}, took)
		time.Sleep(2 * time.Hour) // until the rude one ends
	})
}

// TestLeftBehind has one that hangs for ever, over and over: it is not asked any more after a while.
func TestLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var asked atomic.Int32
		r := &checks.Runner{Timeout: time.Second,
			Checkers: []checks.Checker{check{"rude", func(context.Context, *checks.Mail) ([]checks.Result, error) {
				asked.Add(1)
				<-release
				return []checks.Result{{Verdict: checks.Pass}}, nil
			}}}}
		for range 100 {
			require.Equal(t, "rude=temperror", verdicts(r.Check(t.Context(), &checks.Mail{})))
		}
		require.EqualValues(t, 64, asked.Load())
		close(release)
		synctest.Wait()
		require.Equal(t, "rude=pass", verdicts(r.Check(t.Context(), &checks.Mail{})), "it works again when they are gone")
	})
}

// TestBodyIsTaken checks that one that was left behind reads nothing of the mail any more.
func TestBodyIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read := make(chan error, 2)
		r := &checks.Runner{Timeout: time.Second,
			Checkers: []checks.Checker{check{"rude", func(_ context.Context, mail *checks.Mail) ([]checks.Result, error) {
				for range 2 {
					_, err := mail.Body.ReadAt(make([]byte, 5), 0)
					read <- err
					time.Sleep(time.Minute)
				}
				return nil, nil
			}}}}
		r.Check(t.Context(), &checks.Mail{Body: strings.NewReader("hello")})
		require.NoError(t, <-read)
		require.ErrorContains(t, <-read, "overran its time")
		time.Sleep(time.Hour)
	})
}

func TestPanicAndError(t *testing.T) {
	var log bytes.Buffer
	r := &checks.Runner{Logger: slog.New(slog.NewTextHandler(&log, nil)), Checkers: []checks.Checker{
		check{"panics", func(context.Context, *checks.Mail) ([]checks.Result, error) { panic("oh no") }},
		check{"errs", func(context.Context, *checks.Mail) ([]checks.Result, error) {
			return nil, errors.New("10.0.0.1: refused")
		}},
		check{"both", func(context.Context, *checks.Mail) ([]checks.Result, error) {
			return []checks.Result{{Verdict: checks.PermError}}, errors.New("details")
		}},
		check{"nothing", func(context.Context, *checks.Mail) ([]checks.Result, error) { return nil, nil }},
	}}
	results := r.Check(context.Background(), &checks.Mail{})
	require.Equal(t, "panics=temperror errs=temperror both=permerror", verdicts(results))
	require.Equal(t, "the check failed", results[1].Reason, "no address of ours in what may reach a header")
	for _, want := range []string{"oh no", "10.0.0.1: refused", "details"} {
		require.Contains(t, log.String(), want)
	}
}

// TestLater has a row of three, of which the last sees what it asked for and what was there before.
func TestLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		see := func(name string, names ...string) checks.Checker {
			return after{check{name, func(_ context.Context, mail *checks.Mail) ([]checks.Result, error) {
				return []checks.Result{{Verdict: checks.Pass, Reason: verdicts(mail.Earlier)}}, nil
			}}, names}
		}
		r := &checks.Runner{Timeout: 5 * time.Second,
			Checkers: []checks.Checker{see("arc", "dmarc"), see("dmarc", "spf", "dkim", "unknown"),
				slow("spf", time.Second, true), slow("dkim", time.Hour, false), slow("other", time.Second, true)}}
		results := r.Check(t.Context(), &checks.Mail{Earlier: []checks.Result{{Check: "dnsbl", Verdict: checks.None}}})
		require.Equal(t, "dnsbl=none arc=pass dmarc=pass spf=pass dkim=temperror other=pass", verdicts(results))
		require.Equal(t, "dnsbl=none dmarc=pass", results[1].Reason)
		require.Equal(t, "dnsbl=none spf=pass dkim=temperror", results[2].Reason)
		time.Sleep(2 * time.Hour)
	})
}

func TestCircle(t *testing.T) {
	var log bytes.Buffer
	pass := func(context.Context, *checks.Mail) ([]checks.Result, error) {
		return []checks.Result{{Verdict: checks.Pass}}, nil
	}
	r := &checks.Runner{Logger: slog.New(slog.NewTextHandler(&log, nil)), Checkers: []checks.Checker{
		after{check{"a", pass}, []string{"b"}}, after{check{"b", pass}, []string{"c"}},
		after{check{"c", pass}, []string{"a", "c"}}}}
	require.Equal(t, "a=pass b=pass c=pass", verdicts(r.Check(context.Background(), &checks.Mail{})))
	require.Contains(t, log.String(), "wait for each other")
}

// TestGivenUp ends the context of the session in the middle.
func TestGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &checks.Runner{Checkers: []checks.Checker{slow("polite", time.Hour, true), slow("rude", time.Hour, false),
			after{slow("later", time.Second, true), []string{"polite"}}}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		require.Equal(t, "polite=temperror rude=temperror later=temperror", verdicts(r.Check(ctx, &checks.Mail{})))
		require.LessOrEqual(t, time.Since(begin), 1200*time.Millisecond)
		require.Equal(t, "polite=temperror rude=temperror later=temperror", verdicts(r.Check(ctx, &checks.Mail{})))
		time.Sleep(2 * time.Hour)
	})
}

func TestConnect(t *testing.T) {
	pass := func(context.Context, *checks.Mail) ([]checks.Result, error) {
		return []checks.Result{{Verdict: checks.Pass}}, nil
	}
	r := &checks.Runner{Checkers: []checks.Checker{check{"spf", pass}, connecting{check{"dnsbl", pass}}}}
	connected := r.CheckConnect(context.Background(), netip.MustParseAddr("192.0.2.1"))
	require.Equal(t, "dnsbl=fail", verdicts(connected))
	require.Equal(t, "192.0.2.1", connected[0].Reason)
	require.Equal(t, "dnsbl=fail spf=pass", verdicts(r.Check(context.Background(), &checks.Mail{Earlier: connected})))
	require.Empty(t, new(checks.Runner).Check(context.Background(), &checks.Mail{}))
}

// counting is a resolver that knows nothing.
type counting struct {
	mu sync.Mutex
	n  int
}

func (c *counting) count() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return &net.DNSError{IsNotFound: true}
}
func (c *counting) LookupTXT(context.Context, string) ([]string, error)        { return nil, c.count() }
func (c *counting) LookupMX(context.Context, string) ([]*net.MX, error)        { return nil, c.count() }
func (c *counting) LookupAddr(context.Context, string) ([]string, error)       { return nil, c.count() }
func (c *counting) LookupIPAddr(context.Context, string) ([]net.IPAddr, error) { return nil, c.count() }
func (c *counting) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return nil, c.count()
}

// TestLookups has two checks that ask without end: together they get what one mail may cost, and the next mail gets as
// much.
func TestLookups(t *testing.T) {
	counter := &counting{}
	bounded := checks.Bound(checks.Bound(counter))
	storm := func(ctx context.Context, _ *checks.Mail) ([]checks.Result, error) {
		for {
			for _, ask := range []func() error{
				func() error { _, err := bounded.LookupTXT(ctx, "a.test"); return err },
				func() error { _, _, err := bounded.LookupTXTSecure(ctx, "a.test"); return err },
				func() error { _, err := bounded.LookupMX(ctx, "a.test"); return err },
				func() error { _, err := bounded.LookupAddr(ctx, "192.0.2.1"); return err },
				func() error { _, err := bounded.LookupNetIP(ctx, "ip4", "a.test"); return err },
			} {
				if err := ask(); errors.Is(err, checks.ErrTooManyLookups) {
					var dns *net.DNSError
					require.ErrorAs(t, err, &dns)
					require.True(t, dns.IsTemporary)
					return nil, err
				}
			}
		}
	}
	r := &checks.Runner{Lookups: 40, Checkers: []checks.Checker{check{"a", storm}, check{"b", storm}}}
	require.Equal(t, "a=temperror b=temperror", verdicts(r.Check(context.Background(), &checks.Mail{})))
	require.Equal(t, 40, counter.n)
	r.Check(context.Background(), &checks.Mail{})
	require.Equal(t, 80, counter.n)
	_, err := bounded.LookupIPAddr(checks.WithLookups(context.Background(), 1), "a.test")
	require.ErrorIs(t, err, checks.ErrTooManyLookups, "A and AAAA are two")
	_, err = bounded.LookupTXT(context.Background(), "a.test")
	require.NotErrorIs(t, err, checks.ErrTooManyLookups, "without a budget there is no limit")
}

func TestObject(t *testing.T) {
	o := checks.NewObject("a", "pa\"ss\\").Text("t", "é\x00\xff\u2028\n").Number("n", 1.5).Number("big", 1e20).Texts("l",
		[]string{"x", "y"}).Texts("e", nil)
	first := o.JSON()
	o.Text("more", "later")
	require.JSONEq(t,
		`{"a":"pa\"ss\\","t":"é\u0000\ufffd\u2028\n","n":1.5,"big":100000000000000000000,"l":["x","y"],"e":[]}`,
		string(first))
	require.True(t, json.Valid(o.JSON()))
}

func FuzzObject(f *testing.F) {
	f.Add("name", "value", 1.0)
	f.Fuzz(func(t *testing.T, name, value string, number float64) {
		require.True(t, json.Valid(checks.NewObject(name, value).Text(value, name).Number(name, number).Texts(value,
			[]string{name, value}).JSON()))
	})
}

// TestExaminer gives the examiner a checker that reads the whole mail.
func TestExaminer(t *testing.T) {
	checkstest.Run(t, func(*testing.T) checks.Checker {
		return check{"reads", func(_ context.Context, mail *checks.Mail) ([]checks.Result, error) {
			if mail.Body == nil {
				return nil, nil
			}
			_, err := io.Copy(io.Discard, io.NewSectionReader(mail.Body, 0, mail.Body.Size()))
			return []checks.Result{{Check: "reads", Verdict: checks.Pass, JSON: checks.NewObject("reads", "pass").JSON()}}, err
		}}
	})
}

func BenchmarkRunner(b *testing.B) {
	pass := func(context.Context, *checks.Mail) ([]checks.Result, error) {
		return []checks.Result{{Verdict: checks.Pass}}, nil
	}
	r := &checks.Runner{Checkers: []checks.Checker{check{"spf", pass}, check{"dkim", pass},
		after{check{"dmarc", pass}, []string{"spf", "dkim"}}}}
	mail := &checks.Mail{Body: strings.NewReader("hello")}
	b.ReportAllocs()
	for b.Loop() {
		if len(r.Check(b.Context(), mail)) != 3 {
			b.Fatal("results are missing")
		}
	}
}
