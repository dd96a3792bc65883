package mta

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/feedback"
)

// TestSuppress puts recipients on the list once, by address and by hash, and finds those whose time is over.
func TestSuppress(t *testing.T) {
	args, _ := arguments(t)
	k := open(t, args, Options{}).settings
	over := time.Now().Add(time.Hour)
	all := []feedback.Suppression{{Value: "a@example.com", Status: "5.1.1", Description: "gone", Expire: over},
		{Value: "a@example.com", Status: "5.7.1"}, {Value: "b@example.com", Hashed: true, Status: "5.7.1"}}
	for range 2 {
		require.NoError(t, suppress(t.Context(), k, all))
		require.Equal(t, 2, k.Current().Suppressions.Len())
	}
	why, ok := k.Current().Suppressions.Find("A@example.com")
	require.True(t, ok)
	require.Equal(t, "gone", why.Description)
	_, ok = k.Current().Suppressions.Find("b@example.com")
	require.True(t, ok)
	rows := k.Current().Rows.Suppressions
	require.Len(t, rows, 2)
	require.NotContains(t, rows[1].Value, "b@")
	require.Empty(t, expired(rows, over.Add(-time.Minute)))
	require.Equal(t, []int64{rows[0].ID}, expired(rows, over.Add(time.Minute)))
}
