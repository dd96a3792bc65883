package steering

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// TestSharedLimit has two instances keep to one limit together.
func TestSharedLimit(t *testing.T) {
	t.Parallel()
	server := testserver.Redis(t)
	set, db := mtatest.SQLite(t)
	mtatest.Throttle(t, db, "together", "", func(l *store.Limits) { l.Site.MaxMessages = 600 })
	w := newWatch(t, &smtptest.Sink{})
	set = w.Settings().With(set).With(mtatest.Settings{"redis-address": "redis://:" + testserver.RedisPassword + "@" +
		server.Address})
	for i := range int64(2) {
		d := mtatest.Inside(t, set)
		d.Send(t, &smtptest.Source{Messages: 300, First: 1 + 1000*i, Size: 600, Domains: []string{"shared.test"}})
		require.NotContains(t, d.Log.String(), "redis-address")
	}
	mtatest.Eventually(t, "mail flows", func() bool { return w.count() > 5 })
	time.Sleep(6 * time.Second) // a fresh Redis leases nothing in its first five seconds
	from, span := time.Now(), 8*time.Second
	time.Sleep(span)
	times, late := w.between(from, from.Add(span))
	expected := 600.0 / 60 * span.Seconds()
	// leases of half a second may come together
	require.LessOrEqual(t, float64(len(times)), expected*1.02+1+10*late.Seconds()+5)
	require.Greater(t, float64(len(times)), expected*0.8)
	first, second := false, false
	for n := range int64(300) {
		first, second = first || w.Tally().Has(1+n), second || w.Tally().Has(1001+n)
	}
	require.True(t, first && second, "both instances send")
}
