package settings_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config/settings"
)

// TestAfter walks through a table page by page, while rows behind the walker go away.
func TestAfter(t *testing.T) {
	db, err := settings.OpenSQLite(t.Context(), ":memory:", settings.Options{})
	require.NoError(t, err)
	defer db.Close()
	for _, host := range []string{"a.test", "b.test", "c.test", "d.test", "e.test"} {
		require.NoError(t, settings.Insert(t.Context(), db,
			&settings.DNSRecord{Hostname: host, IP: "192.0.2.1", Enabled: true}))
	}
	var met []string
	q := settings.Query{Column: "ip", Value: "192.0.2.1", Limit: 2}
	for {
		rows, _, err := settings.Select[settings.DNSRecord](t.Context(), db, q)
		require.NoError(t, err)
		if len(rows) == 0 {
			break
		}
		for _, r := range rows {
			met = append(met, r.Hostname)
			q.After = r.ID
		}
		require.NoError(t, settings.Delete[settings.DNSRecord](t.Context(), db, rows[0].ID))
	}
	require.Equal(t, []string{"a.test", "b.test", "c.test", "d.test", "e.test"}, met)
}
