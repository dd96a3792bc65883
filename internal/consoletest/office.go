package consoletest

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/config/snapshot"
	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/internal/webtest"
)

// office is a world with settings that can be changed.
type Office struct{ *World }

func NewOffice(t *testing.T, set func(*console.Console)) *Office {
	return OpenOffice(t, t.TempDir(), false, set)
}

// openOffice has its database in a directory. While that is down, it has what another office has left there.
func OpenOffice(t *testing.T, dir string, down bool, set func(*console.Console)) *Office {
	o := &Office{}
	keeper := &snapshot.Keeper{Logger: slog.New(slog.DiscardHandler), Cache: filepath.Join(dir, "cache"),
		Open: func(ctx context.Context) (*settings.DB, error) {
			if down {
				return nil, errors.New("connection refused")
			}
			return settings.OpenSQLite(ctx, filepath.Join(dir, "settings.db"), settings.Options{})
		}}
	require.NoError(t, keeper.Start(t.Context()))
	o.World = New(t, func(c *console.Console) {
		c.Settings = keeper
		c.Admin = &admin.Admin{Settings: keeper, Live: c.Live, Logger: c.Logger}
		if set != nil {
			set(c)
		}
	})
	t.Cleanup(func() {
		require.NoError(t, o.Admin.Close())
		done, stop := context.WithCancel(context.Background())
		stop()
		keeper.Run(done)
	})
	o.LogIn()
	return o
}

// post sends a form with the session's token; pairs are names and values.
func (o *Office) Post(path string, pairs ...string) webtest.Answer {
	o.T.Helper()
	form := url.Values{"csrf": {o.CSRF()}}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return o.Do("POST", path, form)
}

// add makes a row, past the pages.
func (o *Office) Add(table settings.TableName, values admin.Values) admin.Row {
	o.T.Helper()
	row, err := o.Admin.Create(o.T.Context(), table, values)
	require.NoError(o.T, err)
	return row
}

func (o *Office) Row(table settings.TableName, id int64) admin.Values {
	o.T.Helper()
	row, err := o.Admin.Get(o.T.Context(), table, id)
	require.NoError(o.T, err)
	return row.Values
}

func (o *Office) Count(table settings.TableName) int {
	o.T.Helper()
	list, err := o.Admin.List(o.T.Context(), table, admin.Query{})
	require.NoError(o.T, err)
	return list.Total
}
