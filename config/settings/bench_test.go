package settings

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bigDatabase makes an SQLite database with a million suppressions and a hundred thousand local addresses.
func bigDatabase(tb testing.TB) *DB {
	db := open(tb, "sqlite://"+filepath.Join(tb.TempDir(), "settings.db"))
	raw(tb, db, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
		INSERT INTO suppressions (value, type, code, extended, description)
		SELECT 'some.person.' || i || '@mailbox' || (i % 1000) || '.example.com', 'address', 550, '5.1.1', 'bounced too often' FROM n`)
	raw(tb, db, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
		INSERT INTO locals (address, type) SELECT 'user' || i || '@example.com', 'exact' FROM n`)
	return db
}

// BenchmarkLoad reads a large database. Five seconds is what a reload may take.
func BenchmarkLoad(b *testing.B) {
	db := bigDatabase(b)
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		rows, err := db.Load(b.Context())
		require.NoError(b, err)
		require.Len(b, rows.Suppressions, 1_000_000)
		require.Len(b, rows.Locals, 100_000)
		b.ReportMetric(time.Since(start).Seconds(), "s/load")
	}
}

// BenchmarkCache writes and reads the cache of the same rows.
func BenchmarkCache(b *testing.B) {
	rows, err := bigDatabase(b).Load(b.Context())
	require.NoError(b, err)
	path := filepath.Join(b.TempDir(), "cache")
	for b.Loop() {
		start := time.Now()
		require.NoError(b, SaveCache(path, rows))
		b.ReportMetric(time.Since(start).Seconds(), "s/save")
		start = time.Now()
		_, err := LoadCache(path)
		require.NoError(b, err)
		b.ReportMetric(time.Since(start).Seconds(), "s/load")
	}
}
