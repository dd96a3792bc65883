package testserver_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/testserver"
)

func TestDatabaseServers(t *testing.T) {
	for name, start := range map[string]func(testing.TB) *testserver.DatabaseServer{
		"postgresql": testserver.Postgres, "mysql": testserver.MariaDB} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			want := name + "://mta:" + testserver.DatabasePassword + "@" + s.Address + "/db1"
			require.Equal(t, want, s.Database(t))
			require.NotEqual(t, want, s.Database(t))
		})
	}
}
