package console_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/config/snapshot"
	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/internal/consoletest"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/memory"
)

const waitTime, pollTime = 10 * time.Second, 5 * time.Millisecond

// world is a console and what is around it.
type world struct {
	*console.Console
	*consoletest.World
}

// newWorld starts a console whose administrator is admin with the password secret. set may change it before it is used.
func newWorld(t *testing.T, set func(*console.Console)) *world {
	w := &world{World: consoletest.New(t)}
	w.Console = &console.Console{
		Auth: auth.Hardcoded(map[string]string{"admin": "secret"}), Live: &monitor.Live{},
		Hostname: "mta1.test", Version: "v0", Logger: slog.New(slog.NewTextHandler(w.Logged, nil)), Access: w.Note,
	}
	w.Admin = &admin.Admin{Live: w.Live}
	set(w.Console)
	require.NoError(t, w.Check())
	w.Serve(w.Console)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	return w
}

// newOffice is a world with settings that can be changed.
func newOffice(t *testing.T, set func(*console.Console)) *world {
	dir := t.TempDir()
	keeper := &snapshot.Keeper{Logger: slog.New(slog.DiscardHandler), Cache: filepath.Join(dir, "cache"),
		Open: func(ctx context.Context) (*settings.DB, error) {
			return settings.OpenSQLite(ctx, filepath.Join(dir, "settings.db"), settings.Options{})
		}}
	require.NoError(t, keeper.Start(t.Context()))
	w := newWorld(t, func(c *console.Console) {
		c.Settings = keeper
		c.Admin = &admin.Admin{Settings: keeper, Live: c.Live, Logger: c.Logger}
		set(c)
	})
	t.Cleanup(func() {
		require.NoError(t, w.Admin.Close())
		done, stop := context.WithCancel(context.Background())
		stop()
		keeper.Run(done)
	})
	return w
}

// add makes a row, past the pages.
func add(t *testing.T, w *world, table string, values admin.Values) admin.Row {
	t.Helper()
	row, err := w.Admin.Create(t.Context(), table, values)
	require.NoError(t, err)
	return row
}

func count(t *testing.T, w *world, table string) int {
	t.Helper()
	list, err := w.Admin.List(t.Context(), table, admin.Query{})
	require.NoError(t, err)
	return list.Total
}

// withMails is a console over a queue in memory with these mails, by id.
func withMails(t *testing.T, mails map[string]string) *world {
	q := memory.New()
	t.Cleanup(func() { require.NoError(t, q.Close()) })
	for id, mail := range mails {
		m := &queue.Message{ID: id, Envelope: "from@source.test", Recipient: "to@gmail.test", Body: queue.Bytes(mail)}
		require.NoError(t, q.Publish(t.Context(), queue.Item{Queue: "outbox", Message: m}))
	}
	return newWorld(t, func(c *console.Console) { c.Admin.Queue = q })
}

// everyPage are the addresses of the console, without those that name a thing.
func everyPage(t *testing.T) []string {
	text, err := os.ReadFile("../../console/testdata/pages.txt")
	require.NoError(t, err)
	return strings.Fields(string(text))
}
