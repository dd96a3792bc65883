package consoletest

import (
	"context"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/config/snapshot"
	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/internal/webtest"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/memory"
)

// world is a console and what is around it.
type World struct {
	*console.Console
	*webtest.World
}

// newWorld starts a console whose administrator is admin with the password secret. set may change it before it is used.
func New(t *testing.T, set func(*console.Console)) *World {
	w := &World{World: webtest.New(t)}
	w.Console = &console.Console{
		Auth: auth.Hardcoded(map[string]string{"admin": "secret", "eve": "spoon"}), Live: &monitor.Live{},
		Hostname: "mta1.test", Version: "v0",
		Logger: slog.New(slog.NewTextHandler(w.Logged, nil)), Now: w.Clock.Now, Access: w.Note,
	}
	w.Admin = &admin.Admin{Live: w.Live}
	if set != nil {
		set(w.Console)
	}
	require.NoError(t, w.Check())
	w.Serve(w.Console)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	return w
}

// elsewhere is another browser.
func (w *World) Elsewhere() *World {
	around := *w.World
	around.Client = webtest.NewClient(w.T)
	return &World{w.Console, &around}
}

func (w *World) LogIn() *World {
	w.T.Helper()
	w.World.LogIn()
	return w
}

// withQueue gives a console a queue in memory.
func WithQueue(q queue.Queue) func(*console.Console) {
	return func(c *console.Console) {
		c.Admin = &admin.Admin{Live: c.Live, Queue: q, Inbox: "inbox", Logger: c.Logger, Hostname: "mta1.test"}
	}
}

// waiting publishes messages to the outbox.
func Waiting(t *testing.T, q queue.Queue, all ...*queue.Message) {
	t.Helper()
	for _, m := range all {
		require.NoError(t, q.Publish(t.Context(), queue.Item{Queue: "outbox", Message: m}))
	}
}

func MailTo(id, to string) *queue.Message {
	return &queue.Message{ID: id, Envelope: "sender@a.test", Recipient: to,
		Body: strings.NewReader("Subject: hello\r\n\r\nA text.\r\n")}
}

// checkPage looks at a page for what the policy of the console would block, for its size, and for what a template left
// out.
func (w *World) CheckPage(path string, status int) string {
	w.T.Helper()
	values := regexp.MustCompile(`="[^"]*"`)
	inline := regexp.MustCompile(`(?i)<[^>]*\s(style|on[a-z]+)\s*=|<style|<script(\s+type="" src="")?>[^<]`)
	a := w.Get(path)
	require.Equal(w.T, status, a.StatusCode, path)
	require.Contains(w.T, a.Body, "</html>", path)
	require.Empty(w.T, inline.FindString(values.ReplaceAllString(a.Body, `=""`)), path)
	require.NotRegexp(w.T, `(?i)(href|src|action)="?\s*(javascript|data):`, a.Body, path)
	require.NotContains(w.T, a.Body, "ZgotmplZ", path)
	require.NotContains(w.T, a.Body, "<script>alert", path)
	if at := strings.IndexAny(a.Body, "\u202e\x1b\x00"); at >= 0 {
		require.Fail(w.T, "something invisible", "%s: %q", path, a.Body[max(at-200, 0):at+1])
	}
	require.Less(w.T, len(a.Body), 100_000, path)
	return a.Body
}

// withSettings gives a console a settings database of its own.
func WithSettings(t *testing.T) func(*console.Console) {
	keeper := &snapshot.Keeper{Logger: slog.New(slog.DiscardHandler),
		Open: func(ctx context.Context) (*settings.DB, error) {
			return settings.Open(ctx, "sqlite://"+filepath.Join(t.TempDir(), "settings.db"), settings.Options{})
		}}
	require.NoError(t, keeper.Start(t.Context()))
	running, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); keeper.Run(running) }()
	t.Cleanup(func() { stop(); <-ended })
	return func(c *console.Console) {
		c.Settings = keeper
		c.Admin = &admin.Admin{Settings: keeper, Live: c.Live, Logger: c.Logger}
	}
}

// WithMails is a console over a queue in memory with these mails, by id. One that is "" is kept elsewhere.
func WithMails(t *testing.T, mails map[string]string, set func(*console.Console)) *World {
	q := memory.New()
	t.Cleanup(func() { require.NoError(t, q.Close()) })
	for id, mail := range mails {
		m := &queue.Message{ID: id, Envelope: "from@source.test", Recipient: "to@gmail.test", Body: queue.Bytes(mail)}
		if mail == "" {
			m.Body, m.Key = nil, "store/key"
		}
		require.NoError(t, q.Publish(context.Background(), queue.Item{Queue: "outbox", Message: m}))
	}
	return New(t, func(c *console.Console) {
		c.Now = nil
		c.Admin.Queue = q
		if set != nil {
			set(c)
		}
	})
}
