package monitor

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	mta1 = netip.MustParseAddr("192.0.2.1")
	mta2 = netip.MustParseAddr("192.0.2.2")
)

func observe(l *Live, kind Kind, mta netip.Addr, domain string, tags ...string) {
	l.Observe(&Event{Kind: kind, Time: time.Now(), MTA: mta, Domain: domain, Tags: tags, Bytes: 100})
}

func TestWindowRolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(Live)
		for i := range 10 {
			for range i + 1 {
				observe(l, Delivered, mta1, "a.test")
			}
			time.Sleep(time.Second)
		}
		s := l.Snapshot(Filter{})
		require.EqualValues(t, 55, s.Sum.Delivered)
		require.EqualValues(t, 5500, s.Sum.BytesOut)
		for i := range 10 {
			require.EqualValues(t, i+1, s.Series[50+i].Delivered, "second %d", i)
		}
		require.Zero(t, s.Series[49])

		observe(l, Delivered, mta1, "a.test")
		require.EqualValues(t, 55, l.Snapshot(Filter{}).Sum.Delivered, "the running second is not complete")
		time.Sleep(50 * time.Second)
		require.EqualValues(t, 56, l.Snapshot(Filter{}).Sum.Delivered)
		time.Sleep(time.Second)
		require.EqualValues(t, 55, l.Snapshot(Filter{}).Sum.Delivered, "the first second is 61 seconds ago")
		require.Len(t, l.Domains(), 1)
		time.Sleep(time.Minute)
		require.Zero(t, l.Snapshot(Filter{}).Sum)
		require.Empty(t, l.Domains(), "nothing to say about it any more")
	})
}

func TestEveryKindCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := map[Kind]Counts{
			ClientConnected: {Clients: 1}, ClientDisconnected: {}, ClientRefused: {Unwelcome: 1}, CommandRefused: {Refused: 1},
			MessageReceived: {Received: 1, BytesIn: 100}, Picked: {Processed: 1}, Parked: {Parked: 1}, Left: {},
			Reassigned: {Reassigned: 1}, NotTried: {NotTried: 1}, Attempted: {Attempts: 1},
			Delivered: {Delivered: 1, BytesOut: 100}, Retried: {Retried: 1}, Failed: {Errors: 1}, Strange: {Strange: 1},
			ConnStarting: {Connects: 1}, ConnReady: {}, ConnFailed: {ConnectFailed: 1}, ConnIdle: {}, ConnBusy: {},
			ConnClosed: {},
		}
		require.Len(t, want, int(ConnClosed))
		for kind, counts := range want {
			l := new(Live)
			observe(l, kind, mta1, "a.test", "t")
			time.Sleep(time.Second)
			require.Equal(t, counts, l.Snapshot(Filter{}).Sum, "kind %d", kind)
			require.Equal(t, counts, l.Snapshot(Filter{Domain: "a.test"}).Sum, "kind %d", kind)
			require.Equal(t, counts, l.Snapshot(Filter{Tag: "t"}).Sum, "kind %d", kind)
		}
		l := new(Live)
		observe(l, 0, mta1, "a.test")
		observe(l, ConnClosed+1, mta1, "a.test")
		time.Sleep(time.Second)
		require.Zero(t, l.Snapshot(Filter{}).Sum, "unknown kinds are ignored")
	})
}

func TestFilters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(Live)
		both := Filter{MTA: mta1, Domain: "a.test"}
		require.Zero(t, l.Snapshot(both).Sum, "the first question begins to count")
		observe(l, Delivered, mta1, "a.test", "x", "y", "x")
		observe(l, Delivered, mta2, "a.test", "y")
		observe(l, Failed, mta1, "b.test")
		time.Sleep(time.Second)
		for _, test := range []struct {
			filter Filter
			want   Counts
		}{
			{Filter{}, Counts{Delivered: 2, Errors: 1, BytesOut: 200}},
			{Filter{MTA: mta1}, Counts{Delivered: 1, Errors: 1, BytesOut: 100}},
			{Filter{Domain: "a.test"}, Counts{Delivered: 2, BytesOut: 200}},
			{Filter{Tag: "x"}, Counts{Delivered: 1, BytesOut: 100}},
			{Filter{Tag: "y"}, Counts{Delivered: 2, BytesOut: 200}},
			{Filter{Domain: "none.test"}, Counts{}},
			{both, Counts{Delivered: 1, BytesOut: 100}},
		} {
			require.Equal(t, test.want, l.Snapshot(test.filter).Sum, "%+v", test.filter)
		}
		require.False(t, l.Snapshot(both).Since.IsZero())

		names := func(rows []Row) (names []string) {
			for _, r := range rows {
				names = append(names, r.Name)
			}
			return names
		}
		require.Equal(t, []string{"a.test", "b.test"}, names(l.Domains()))
		require.Equal(t, []string{"192.0.2.1", "192.0.2.2"}, names(l.MTAs()))
		require.Equal(t, []string{"x", "y"}, names(l.Tags()))
	})
}

func TestCombinationsEndUnasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(Live)
		for i := range 2 * maxFocuses {
			l.Snapshot(Filter{Domain: fmt.Sprint(i), Tag: "t"})
		}
		require.Len(t, l.focused.all(), maxFocuses)
		time.Sleep(focusLife * time.Second)
		observe(l, Delivered, mta1, "a.test")
		require.Nil(t, l.focused.list.Load())
	})
}

func TestGauges(t *testing.T) {
	l := new(Live)
	gauge := func() Gauges { return l.Snapshot(Filter{Domain: "a.test"}).Now }
	for range 3 {
		observe(l, Picked, mta1, "a.test")
		observe(l, ConnStarting, mta1, "a.test")
	}
	require.Equal(t, Gauges{InMemory: 3, Starting: 3}, gauge())
	observe(l, Parked, mta1, "a.test")
	observe(l, Left, mta1, "a.test")
	observe(l, ConnReady, mta1, "a.test")
	observe(l, ConnReady, mta1, "a.test")
	observe(l, ConnFailed, mta1, "a.test")
	observe(l, ConnIdle, mta1, "a.test")
	require.Equal(t, Gauges{InMemory: 1, Active: 1, Idle: 1}, gauge())
	observe(l, ConnBusy, mta1, "a.test")
	observe(l, ConnClosed, mta1, "a.test")
	observe(l, ConnClosed, mta1, "a.test")
	observe(l, ConnClosed, mta1, "a.test")
	require.Equal(t, Gauges{InMemory: 1}, gauge(), "an end too many does no harm")
	require.Equal(t, Gauges{InMemory: 1}, l.Snapshot(Filter{}).Now)
	require.Equal(t, Gauges{}, l.Snapshot(Filter{MTA: mta1}).Now)

	for port := range uint16(10) {
		l.Observe(&Event{Kind: ClientConnected, Time: time.Now(), MTA: mta1, Remote: netip.AddrPortFrom(mta2, port)})
	}
	l.Observe(&Event{Kind: ClientDisconnected, Time: time.Now(), MTA: mta1, Remote: netip.AddrPortFrom(mta2, 7)})
	require.EqualValues(t, 9, l.Snapshot(Filter{MTA: mta1}).Now.Clients)
}

func TestManyNamesStayBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &Live{MaxDomains: shards * 10, MaxTags: 10, MaxMTAs: 10}
		const names = 5000
		for i := range names {
			name := fmt.Sprintf("d%d.test", i)
			mta := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
			observe(l, Picked, mta, name, name)
			observe(l, Delivered, mta, name, name)
		}
		time.Sleep(time.Second)
		for kind, rows := range map[string][]Row{"domains": l.Domains(), "mtas": l.MTAs(), "tags": l.Tags()} {
			require.LessOrEqual(t, len(rows), shards*10+1, kind)
			last := rows[len(rows)-1]
			require.True(t, last.Other, kind)
			var sum, held int64
			for _, r := range rows {
				sum += r.Sum.Delivered
				held += r.Now.InMemory
			}
			require.EqualValues(t, names, sum, "%s: the sum stays right", kind)
			if kind != "mtas" {
				require.EqualValues(t, names, held, "%s: so does what is in memory", kind)
			}
		}
		for i := range names {
			name := fmt.Sprintf("d%d.test", i)
			observe(l, Left, mta1, name, name)
		}
		time.Sleep(2 * time.Minute)
		require.Empty(t, l.Domains(), "all is over, for dropped names too")
		require.Empty(t, l.Tags())
		require.Zero(t, l.Snapshot(Filter{}).Now)

		observe(l, Delivered, mta1, strings.Repeat("x", 1<<20))
		time.Sleep(time.Second)
		require.Len(t, l.Domains()[0].Name, maxName)
	})
}

func TestQuietNamesMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &Live{MaxDomains: 800}
		for i := range 100 {
			observe(l, Delivered, mta1, fmt.Sprintf("old%d.test", i))
		}
		time.Sleep(2 * time.Minute)
		for i := range 100 {
			observe(l, Delivered, mta1, fmt.Sprintf("new%d.test", i))
		}
		n := 0
		for i := range l.shards {
			n += len(l.shards[i].domains.entries)
		}
		require.Less(t, n, 120)
		time.Sleep(time.Second)
		require.Len(t, l.Domains(), 100)
	})
}

func TestClockThatJumps(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	l := &Live{Now: func() time.Time { return at }}
	event := func() { l.Observe(&Event{Kind: Delivered, Domain: "a.test"}) } // its time is that of the clock
	event()
	at = at.Add(-30 * time.Second)
	event()
	at = at.Add(31 * time.Second)
	require.EqualValues(t, 2, l.Snapshot(Filter{}).Sum.Delivered)
	at = at.Add(-time.Hour)
	event()
	at = at.Add(time.Second)
	require.EqualValues(t, 1, l.Snapshot(Filter{}).Sum.Delivered)
	at = at.Add(1000 * time.Hour)
	event()
	at = at.Add(time.Second)
	require.EqualValues(t, 1, l.Snapshot(Filter{}).Sum.Delivered)
}

func TestAnswers(t *testing.T) {
	l := new(Live)
	fail := func(code int, text string) {
		l.Observe(&Event{Kind: Retried, Domain: "a.test", Code: code, Text: text, Time: time.Now()})
	}
	require.Nil(t, l.Answers("a.test"))
	for i := range 50 {
		fail(450, fmt.Sprint("try ", i))
	}
	fail(450, "try 40")
	fail(0, strings.Repeat("long ", 1000))
	list := l.Answers("a.test")
	require.Len(t, list, maxAnswers)
	require.Len(t, list[0].Text, maxAnswerText)
	require.Equal(t, "try 40", list[1].Text)
	require.EqualValues(t, 2, list[1].Count)
	require.Equal(t, "try 49", list[2].Text)
}

func TestConcurrentUse(t *testing.T) {
	l := &Live{MaxDomains: 100}
	var wg sync.WaitGroup
	const each = 2000
	for g := range 8 {
		wg.Go(func() {
			for i := range each {
				observe(l, Picked, mta1, fmt.Sprintf("d%d.test", (g*7+i)%300), "t")
				observe(l, Left, mta1, fmt.Sprintf("d%d.test", (g*7+i)%300), "t")
			}
		})
	}
	wg.Go(func() {
		for range 50 {
			l.Domains()
			l.Tags()
			l.MTAs()
			l.Snapshot(Filter{Tag: "t", Domain: "d1.test"})
		}
	})
	wg.Wait()
	require.Zero(t, l.Snapshot(Filter{}).Now)
	require.Zero(t, l.Snapshot(Filter{Tag: "t"}).Now)
}

func BenchmarkObserve(b *testing.B) {
	l := new(Live)
	domains := make([]string, 1000)
	for i := range domains {
		domains[i] = fmt.Sprintf("domain%d.example.com", i)
		observe(l, Delivered, mta1, domains[i], "news")
	}
	tags := []string{"news"}
	at := time.Now()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		e := Event{Kind: Delivered, Time: at, MTA: mta1, Bytes: 10 << 10, Code: 250, Text: "OK", Tags: tags}
		for i := 0; pb.Next(); i++ {
			e.Domain = domains[i%len(domains)]
			l.Observe(&e)
		}
	})
}

// BenchmarkObserveMany changes every name from event to event.
func BenchmarkObserveMany(b *testing.B) {
	l := new(Live)
	domains, tags, mtas := make([]string, 1000), make([][]string, 17), make([]netip.Addr, 13)
	for i := range domains {
		domains[i] = fmt.Sprintf("domain%d.example.com", i)
	}
	for i := range tags {
		tags[i] = []string{fmt.Sprintf("tag%d", i)}
	}
	for i := range mtas {
		mtas[i] = netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
	}
	at := time.Now()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		e := Event{Kind: Delivered, Time: at, Bytes: 10 << 10, Code: 250, Text: "OK"}
		for i := 0; pb.Next(); i++ {
			e.Domain, e.Tags, e.MTA = domains[i%len(domains)], tags[i%len(tags)], mtas[i%len(mtas)]
			l.Observe(&e)
		}
	})
}

func BenchmarkObserveOneDomain(b *testing.B) {
	l := new(Live)
	at := time.Now()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		e := Event{Kind: Delivered, Time: at, MTA: mta1, Domain: "example.com", Bytes: 10 << 10}
		for pb.Next() {
			l.Observe(&e)
		}
	})
}
