package admin

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/config/snapshot"
	"github.com/sluicemail/sluice/monitor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newAdmin(t *testing.T) (*Admin, *bytes.Buffer) {
	path := filepath.Join(t.TempDir(), "settings.db")
	keeper := &snapshot.Keeper{Logger: slog.New(slog.DiscardHandler),
		Open: func(ctx context.Context) (*settings.DB, error) {
			return settings.OpenSQLite(ctx, path, settings.Options{})
		}}
	require.NoError(t, keeper.Start(t.Context()))
	log := new(bytes.Buffer)
	a := &Admin{Settings: keeper, Instance: 7, Logger: slog.New(slog.NewTextHandler(log, nil))}
	t.Cleanup(func() {
		require.NoError(t, a.Close())
		done, stop := context.WithCancel(context.Background())
		stop()
		keeper.Run(done)
	})
	return a, log
}

// TestTables sees that what is said of tables here fits what they are.
func TestTables(t *testing.T) {
	all := new(Admin).Tables()
	described := settings.Tables()
	require.Len(t, all, len(described))
	for i, table := range all {
		require.EqualValues(t, described[i].Name, table.Name)
		require.Equal(t, table.Name, settings.Named(table.Name).Describe().Name)
		require.Len(t, table.Fields, len(described[i].Columns))
		for _, name := range table.Key {
			require.NotNil(t, table.Field(name), "%s.%s", table.Name, name)
		}
		for _, f := range table.Fields {
			if f.Type == Reference {
				_, err := new(Admin).Table(f.Refers)
				require.NoError(t, err, "%s.%s", table.Name, f.Name)
			}
		}
	}
	for _, r := range Resources() {
		table, err := new(Admin).Table(r.Table)
		require.NoError(t, err)
		for _, f := range r.Fields {
			require.True(t, f.Type == Ignored || table.Field(r.column(f.Name)) != nil, "%s.%s", r.Name, f.Name)
		}
	}
}

// TestValues turns what comes in from outside into the types of columns.
func TestValues(t *testing.T) {
	number := Field{Name: "n", Type: Integer, Min: 1, Max: 9}
	limit := Field{Name: "n", Type: Limit, Min: -1, Max: math.MaxInt64, Default: int64(-1)}
	for _, c := range []struct {
		field Field
		given any
		want  any
	}{
		{number, 5, int64(5)}, {number, "5", int64(5)}, {number, " 5 ", int64(5)}, {number, 5.0, int64(5)},
		{number, int64(9), int64(9)},
		{number, "", int64(0)}, {number, nil, int64(0)},
		{number, 10, nil}, {number, 0, nil}, {number, "five", nil}, {number, 5.5, nil}, {number, true, nil},
		{number, []any{1}, nil},
		{limit, nil, int64(-1)}, {limit, "", int64(-1)}, {limit, "0", int64(0)}, {limit, -2, nil},
		{Field{Type: Boolean}, "Yes", true}, {Field{Type: Boolean}, "off", false}, {Field{Type: Boolean}, 1, true},
		{Field{Type: Boolean}, 2, nil},
		{Field{Type: Boolean}, "", false}, {Field{Type: Boolean}, "maybe", nil},
		{Field{Type: IP}, " ::ffff:192.0.2.1 ", "192.0.2.1"}, {Field{Type: IP}, "fe80::1%eth0", nil},
		{Field{Type: IP}, "", ""},
		{Field{Type: Domain}, "Bücher.Example", "xn--bcher-kva.example"}, {Field{Type: Domain}, "*.example", nil},
		{Field{Type: Domain, Wild: true}, "*.example", "*.example"}, {Field{Type: Domain, Wild: true}, "* example", nil},
		{Field{Type: Time}, "1893456000", "2030-01-01 00:00:00"}, {Field{Type: Time}, 1893456000, "2030-01-01 00:00:00"},
		{Field{Type: Time}, "2030-01-01T01:00:00+01:00", "2030-01-01 00:00:00"}, {Field{Type: Time}, "soon", nil},
		{Field{Type: Status}, "5.1.10", "5.1.10"}, {Field{Type: Status}, "3.1.1", nil}, {Field{Type: Status}, "5.01.1", nil},
		{Field{Type: Text}, " kept as it is ", " kept as it is "}, {Field{Type: Text}, "a\nb", nil},
		{Field{Type: Text}, 7, "7"},
		{Field{Type: Text}, true, nil}, {Field{Type: Long}, "a\nb", "a\nb"}, {Field{Type: Long}, "a\x00b", nil},
		{Field{Type: Choice, Choices: []string{"a"}}, "b", nil},
	} {
		got, problem := c.field.Value(c.given)
		if c.want == nil {
			require.NotNil(t, problem, "%s %#v", c.field.Type, c.given)
			require.NotEmpty(t, problem.Expected)
			continue
		}
		require.Nil(t, problem, "%s %#v", c.field.Type, c.given)
		require.Equal(t, c.want, got, "%s %#v", c.field.Type, c.given)
	}
}

// TestTwoEditors change the same row: the second is told.
func TestTwoEditors(t *testing.T) {
	a, _ := newAdmin(t)
	row, err := a.Create(t.Context(), "locals", Values{"address": "a@b.test", "type": "exact"})
	require.NoError(t, err)
	first, err := a.Update(t.Context(), "locals", row.ID, Values{"address": "first@b.test"}, row.Version)
	require.NoError(t, err)
	_, err = a.Update(t.Context(), "locals", row.ID, Values{"address": "second@b.test"}, row.Version)
	var conflict *Conflict
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, "first@b.test", conflict.Current.Values["address"])
	require.ErrorAs(t, a.Delete(t.Context(), "locals", row.ID, row.Version), &conflict)
	require.NoError(t, a.Delete(t.Context(), "locals", row.ID, first.Version))
	_, err = a.Get(t.Context(), "locals", row.ID)
	require.ErrorIs(t, err, ErrNotFound)
}

// TestOtherInstances have pauses of their own, which are neither shown nor touched here.
func TestOtherInstances(t *testing.T) {
	a, _ := newAdmin(t)
	other := &Admin{Settings: a.Settings, Instance: 8, Logger: a.Logger}
	for _, one := range []*Admin{a, other} {
		_, created, err := one.PutResource(t.Context(), "pauses", Values{"domain": "a.test"})
		require.NoError(t, err)
		require.True(t, created)
	}
	_, _, err := other.PutResource(t.Context(), "pauses", Values{"domain": "all.test", "cluster": true})
	require.NoError(t, err)
	count := func(a *Admin) (n int) {
		for _, err := range a.WalkResource(t.Context(), "pauses", nil) {
			require.NoError(t, err)
			n++
		}
		return n
	}
	require.Equal(t, 2, count(a))
	n, err := a.DeleteResource(t.Context(), "pauses", Values{"domain": "a.test"})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, 1, count(a))
	require.Equal(t, 2, count(other))
}

// TestWhoDidWhat is in the log, without secrets.
func TestWhoDidWhat(t *testing.T) {
	a, log := newAdmin(t)
	ctx := As(t.Context(), Actor{Name: "anna", Via: "rest", Remote: netip.MustParseAddrPort("192.0.2.1:99")})
	_, err := a.Create(ctx, "dkim_keys", Values{"domain": "a.test", "selector": "s", "privatekey": "hush",
		"enabled": false})
	require.NoError(t, err)
	require.Contains(t, log.String(), "who=anna via=rest from=192.0.2.1:99 table=dkim_keys")
	require.NotContains(t, log.String(), "hush")
	_, err = a.Create(ctx, "dkim_keys", Values{"domain": "a.test", "selector": "s", "privatekey": "hush"})
	var wrong *Invalid
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, "privatekey", wrong.Problems[0].Field)
	require.NotContains(t, err.Error(), "hush")
}

// TestWithoutAnything fails in words.
func TestWithoutAnything(t *testing.T) {
	a := new(Admin)
	_, err := a.List(t.Context(), "locals", Query{})
	require.ErrorIs(t, err, ErrUnavailable)
	_, err = a.List(t.Context(), "nothing", Query{})
	require.ErrorIs(t, err, ErrNotFound)
	_, err = a.Queues(t.Context())
	require.ErrorIs(t, err, ErrUnavailable)
	_, err = a.Inject(t.Context(), strings.NewReader("{}"))
	require.ErrorIs(t, err, ErrUnavailable)
	require.Empty(t, a.ActiveFloods())
	require.NotNil(t, a.Stats(monitor.Filter{}))
	require.ErrorIs(t, a.SetService(t.Context(), "x", true), ErrUnsupported)
}

// TestPages lists a table piece by piece, and walks through all of it.
func TestPages(t *testing.T) {
	a, _ := newAdmin(t)
	require.NoError(t, a.Settings.Change(t.Context(), func(s settings.Store) error {
		for range 25 {
			if err := settings.Insert(t.Context(), s, &settings.Block{Value: "192.0.2.1", Enabled: true}); err != nil {
				return err
			}
		}
		return settings.Insert(t.Context(), s, &settings.Block{Value: "nonsense/99", Enabled: true})
	}))
	list, err := a.List(t.Context(), "blocklist", Query{Limit: 10, Offset: 20})
	require.NoError(t, err)
	require.Equal(t, 26, list.Total)
	require.Len(t, list.Rows, 6)
	require.NotEmpty(t, list.Rows[5].Broken, "a row that makes no sense is shown as such")
	list, err = a.List(t.Context(), "blocklist",
		Query{Where: Values{"value": "192.0.2.1", "enabled": true}, Limit: 10, Offset: 20})
	require.NoError(t, err)
	require.Equal(t, 25, list.Total)
	require.Len(t, list.Rows, 5)
	n := 0
	for _, err := range a.Walk(t.Context(), "blocklist", Values{"enabled": "yes"}, "192") {
		require.NoError(t, err)
		n++
	}
	require.Equal(t, 25, n)
}

// TestParallelChanges of one pool's members leave each address in one pool.
func TestParallelChanges(t *testing.T) {
	a, _ := newAdmin(t)
	for _, pool := range []string{"a", "b"} {
		_, _, err := a.PutResource(t.Context(), "pools", Values{"name": pool})
		require.NoError(t, err)
	}
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			_, _, err := a.PutResource(t.Context(), "poolips", Values{"ip": "192.0.2.1", "name": []string{"a", "b"}[i%2]})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	list, err := a.List(t.Context(), "poolips", Query{})
	require.NoError(t, err)
	require.Len(t, list.Rows, 1)
}

// TestPauseBeforeItsPool is kept, and in force once the pool is there.
func TestPauseBeforeItsPool(t *testing.T) {
	a, _ := newAdmin(t)
	_, _, err := a.PutResource(t.Context(), "pauses", Values{"pool": "later", "cluster": true})
	require.NoError(t, err)
	_, _, err = a.PutResource(t.Context(), "errors", Values{"pool": "later", "code": 550, "cluster": true})
	require.NoError(t, err)
	list, err := a.List(t.Context(), "paused", Query{})
	require.NoError(t, err)
	require.Contains(t, list.Rows[0].Broken, `pool "later"`, "who looks is told")
	_, _, err = a.PutResource(t.Context(), "pools", Values{"name": "later"})
	require.NoError(t, err)
	require.Empty(t, a.Settings.Current().Broken)
	_, _, err = a.PutResource(t.Context(), "pauses", Values{"pool": "other", "domain": "not a domain"})
	require.Error(t, err, "only the pool may come later")
	_, err = a.Create(t.Context(), "paused", Values{"pool": "other"})
	require.ErrorContains(t, err, "that exists", "a form has only pools that are there")
}
