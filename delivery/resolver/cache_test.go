package resolver_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery/resolver"
)

type ctxType = context.Context

func TestCacheIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		big := strings.Repeat("x", 200)
		s := &memServer{script: func(_ string, q *dns.Msg) []delayed {
			name := q.Question[0].Name
			return now(reply(q, name+" TXT \""+big+"\"", name+" TXT \"2"+big+"\""))
		}}
		const size = 1 << 20
		r := memResolver(t, resolver.Options{CacheSize: size}, s)
		defer r.Close()
		for i := range 3000 {
			_, err := r.TXT(t.Context(), fmt.Sprintf("h%d.example.org", i))
			require.NoError(t, err)
		}
		kept := 0
		for i := range 3000 {
			if _, _, ok := r.Cached(fmt.Sprintf("h%d.example.org", i), dns.TypeTXT); ok {
				kept++
			}
		}
		require.Greater(t, kept, 100)
		require.Less(t, kept, size/800, "each takes about a kilobyte and more")
		answers, bytes := r.Size()
		require.Equal(t, kept, answers)
		require.LessOrEqual(t, bytes, int64(size))
		_, _, ok := r.Cached("h2999.example.org", dns.TypeTXT)
		require.True(t, ok, "the newest is there")
		r.Forget()
		_, _, ok = r.Cached("h2999.example.org", dns.TypeTXT)
		require.False(t, ok)
	})
}

func TestCachedCostsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := memResolver(t, resolver.Options{}, answering("a.example.org. A 192.0.2.9"))
		defer r.Close()
		_, err := r.A(t.Context(), "a.example.org")
		require.NoError(t, err)
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if _, _, ok := r.Cached("a.example.org.", dns.TypeA); !ok {
				t.Error("not cached")
			}
		}))
	})
}

func BenchmarkCached(b *testing.B) {
	r, err := resolver.New(resolver.Options{Servers: []string{"127.0.0.1"}})
	require.NoError(b, err)
	defer r.Close()
	_, _ = r.Lookup(canceled(), "a.example.org", dns.TypeA)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r.Cached("a.example.org", dns.TypeA)
		}
	})
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
