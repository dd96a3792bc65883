package auth_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"github.com/sluicemail/sluice/auth"
)

func benchmark(b *testing.B, backend auth.Authenticator, login auth.Login) {
	b.Helper()
	login.Client = netip.MustParseAddrPort("192.0.2.1:1234")
	login.Service = "smtp"
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := backend.Authenticate(context.Background(), login); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkCached(b *testing.B) {
	benchmark(b, &auth.Cache{Backend: new(counting)}, auth.Login{Username: "alice", Password: "right"})
}

// BenchmarkGuarded is what a server puts in front of a back end: guard and cache.
func BenchmarkGuarded(b *testing.B) {
	benchmark(b, &auth.Limit{Backend: &auth.Cache{Backend: new(counting)}},
		auth.Login{Username: "alice", Password: "right"})
}

func BenchmarkHardcoded(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			accounts := make(map[string]string)
			for i := range n {
				accounts[fmt.Sprint("user", i)] = "right"
			}
			benchmark(b, auth.Hardcoded(accounts), auth.Login{Username: "user0", Password: "right"})
		})
	}
}
