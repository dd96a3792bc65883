package mta

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/feedback"
)

// TestSuppress puts recipients on the list once, by address and by hash, and finds those whose time is over.
func TestSuppress(t *testing.T) {
	for _, key := range []string{"", "a key of this installation"} {
		testSuppress(t, key)
	}
	args, _ := arguments(t)
	_, _, err := Load(append(args, "--suppression-key", "short"), nil)
	require.ErrorContains(t, err, "at least 16 characters")
	require.NotContains(t, err.Error(), "short")
}

func testSuppress(t *testing.T, key string) {
	args, _ := arguments(t)
	m := open(t, append(args, "--suppression-key", key), Options{})
	k := m.settings
	over := time.Now().Add(time.Hour)
	all := []feedback.Suppression{{Value: "a@example.com", Status: "5.1.1", Description: "gone", Expire: over},
		{Value: "a@example.com", Status: "5.7.1"}, {Value: m.desk.Policy().Hash("b@example.com"), Hashed: true,
			Status: "5.7.1"}}
	for range 2 {
		require.NoError(t, suppress(t.Context(), k, key, all))
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
	require.Equal(t, key != "", rows[1].Type == settings.Keyed)
	require.Empty(t, expired(rows, over.Add(-time.Minute)))
	require.Equal(t, []int64{rows[0].ID}, expired(rows, over.Add(time.Minute)))
}
