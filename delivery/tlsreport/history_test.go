package tlsreport_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/tlsreport"
)

// TestHistory tells what became of reports: on their way by mail and HTTPS, taken by nobody, wanted by nobody; over a
// restart too.
func TestHistory(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.wants["mail.test"] = "v=TLSRPTv1; rua=mailto:r@mail.test"
		w.wants["post.test"] = "v=TLSRPTv1; rua=https://reports.post.test/v1"
		w.wants["refuse.test"] = "v=TLSRPTv1; rua=https://reports.refuse.test/refuse"
		keep := func(r *tlsreport.Reporter) { r.History = w.path + "-sent" }
		r, stop := w.run(keep)
		for _, domain := range []string{"mail.test", "post.test", "refuse.test", "unwanted.test"} {
			r.Count(domain, "mx."+domain, sts, good)
			r.Count(domain, "mx."+domain, none, expired)
		}
		states := func() (all []string) {
			for _, e := range r.Reports() {
				all = append(all, e.Domain+" "+string(e.State))
				require.Equal(t, "2000-01-01", e.Day)
				require.EqualValues(t, 1, e.Good)
				require.EqualValues(t, 1, e.Failed)
				require.Equal(t, []string{"sts", "no-policy-found"}, e.Policies)
				require.Equal(t, []string{"certificate-expired"}, e.Types)
			}
			return all
		}
		require.Equal(t, []string{"mail.test waiting", "post.test waiting", "refuse.test waiting", "unwanted.test waiting"}, states())
		next := r.Reports()[0].Next
		end := time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC)
		require.True(t, next.After(end) && next.Before(end.Add(12*time.Hour)))

		time.Sleep(37 * time.Hour)
		require.Equal(t, []string{"mail.test sent", "post.test sent", "refuse.test failed"}, states())
		all := r.Reports()
		require.Equal(t, "mailto:r@mail.test", all[0].To)
		require.Less(t, all[0].At.Sub(next).Abs(), 2*time.Minute)
		require.Zero(t, all[0].Next)
		require.Equal(t, "https://reports.post.test/v1", all[1].To)
		require.Equal(t, "https://reports.refuse.test/refuse", all[2].To)
		require.Contains(t, all[2].Problem, "HTTP status 500")
		require.Equal(t, time.Hour, all[2].Next.Sub(all[2].At))

		stop()
		r, stop = w.run(keep)
		require.Equal(t, []string{"mail.test sent", "post.test sent", "refuse.test waiting"}, states())
		time.Sleep(24 * time.Hour)
		require.Equal(t, []string{"mail.test sent", "post.test sent", "refuse.test given-up"}, states())
		require.Contains(t, r.Reports()[2].Problem, "HTTP status 500")
		time.Sleep(40 * 24 * time.Hour)
		r.Count("mail.test", "mx.mail.test", none, good)
		time.Sleep(37 * time.Hour)
		stop()
		require.Len(t, r.Reports(), 1, "what is older than a month is forgotten")
	})
}

// TestDamagedHistory begins anew and says so, and what was counted stands.
func TestDamagedHistory(t *testing.T) {
	for _, text := range []string{"", "{", "{}", `[{"day":7}]`} {
		path := filepath.Join(t.TempDir(), "sent")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		r := &tlsreport.Reporter{History: path}
		require.ErrorContains(t, r.Open(), path, "%q", text)
		r.Count("a.test", "mx.a.test", none, good)
		require.Len(t, r.Reports(), 1)
	}
	path := filepath.Join(t.TempDir(), "sent")
	require.NoError(t, os.WriteFile(path, []byte(`[null,{},{"domain":"a.test","day":"yesterday"},{"domain":"b.test","day":"2026-11-30"}]`), 0o600))
	r := &tlsreport.Reporter{History: path}
	require.NoError(t, r.Open())
	require.Len(t, r.Reports(), 1)
}

// TestClockJumps has the clock go back by days: what was counted meanwhile is forgotten, and what is counted after that
// is told of the day that it is.
func TestClockJumps(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.wants["a.test"] = "v=TLSRPTv1; rua=mailto:r@a.test"
		var jump atomic.Int64
		r, stop := w.run(func(r *tlsreport.Reporter) {
			r.Now = func() time.Time { return time.Now().Add(time.Duration(jump.Load())) }
		})
		defer stop()
		jump.Store(int64(30 * 24 * time.Hour))
		r.Count("a.test", "mx.a.test", none, good)
		require.Equal(t, "2000-01-31", r.Reports()[0].Day)
		jump.Store(0)
		time.Sleep(2 * time.Minute)
		require.Empty(t, r.Reports(), "of a day that has not come")
		r.Count("a.test", "mx.a.test", none, good)
		time.Sleep(37 * time.Hour)
		mails, _ := w.sent()
		require.Equal(t, 1, mails)
		require.Equal(t, "2000-01-01.a.test@mta.example.net", readBack(t, w.mails[0]).ID)

		r.Count("a.test", "mx.a.test", none, good)
		jump.Store(int64(30 * 24 * time.Hour))
		time.Sleep(2 * time.Hour)
		mails, _ = w.sent()
		require.Equal(t, 1, mails, "nobody wants to hear of a month ago")
	})
}

// TestLongReasons keeps little of what certificates say.
func TestLongReasons(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.wants["a.test"] = "v=TLSRPTv1; rua=mailto:r@a.test"
		r, stop := w.run()
		defer stop()
		s := expired
		s.Violation = &delivery.TLSViolation{Type: "certificate-not-trusted", Reason: strings.Repeat("<x>", 1<<16)}
		r.Count("a.test", "mx.a.test", none, s)
		time.Sleep(37 * time.Hour)
		w.sent()
		require.Less(t, len(readBack(t, w.mails[0]).Policies[0].Failures[0].Reason), 400)
	})
}

// BenchmarkCount counts a session beside those of 50,000 domains.
func BenchmarkCount(b *testing.B) {
	r := &tlsreport.Reporter{Path: filepath.Join(b.TempDir(), "tally")}
	if err := r.Open(); err != nil {
		b.Fatal(err)
	}
	for i := range 50_000 {
		r.Count(fmt.Sprintf("domain%d.test", i), "mx.test", sts, good)
	}
	b.ReportAllocs()
	for b.Loop() {
		r.Count("domain7.test", "mx.test", sts, good)
	}
}
