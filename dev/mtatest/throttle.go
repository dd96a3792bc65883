package mtatest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config/settings"
)

// Limits are limit columns that leave everything to the configuration, but for what set changes.
func Limits(set func(*settings.Limits)) settings.Limits {
	l := settings.FallBackLimits()
	set(&l)
	return l
}

// Throttle adds a throttle for a domain and returns it.
func Throttle(t testing.TB, db *settings.DB, name, domain string, set func(*settings.Limits)) *settings.Capacity {
	t.Helper()
	c := &settings.Capacity{Name: name, Limits: Limits(set), Enabled: true}
	require.NoError(t, settings.Insert(t.Context(), db, c))
	Insert(t, db, settings.CapacityRule{Capacity: c.ID, Domain: domain, Enabled: true})
	return c
}
