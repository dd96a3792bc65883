package console

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/config/snapshot"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/delivery/rules"
	"github.com/sluicemail/sluice/internal/consoletest"
)

// withSettings gives a console a settings database of its own.
func withSettings(t *testing.T) func(*Console) {
	keeper := &snapshot.Keeper{Logger: slog.New(slog.DiscardHandler),
		Open: func(ctx context.Context) (*settings.DB, error) {
			return settings.Open(ctx, "sqlite://"+filepath.Join(t.TempDir(), "settings.db"), settings.Options{})
		}}
	require.NoError(t, keeper.Start(t.Context()))
	running, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); keeper.Run(running) }()
	t.Cleanup(func() { stop(); <-ended })
	return func(c *Console) {
		c.Settings = keeper
		c.Admin = &admin.Admin{Settings: keeper, Live: c.Live, Logger: c.Logger}
	}
}

func TestPause(t *testing.T) {
	w := newWorld(t, withSettings(t)).logIn()
	token := w.CSRF()
	require.Contains(t, w.Get("/?domain=gmail.com").Body, "Pause delivery of mail to gmail.com")

	a := w.Do("POST", "/pause", url.Values{"csrf": {token}, "domain": {"gmail.com"}, "minutes": {"soon"},
		"next": {"/?domain=gmail.com"}})
	require.Equal(t, http.StatusBadRequest, a.StatusCode)
	require.Contains(t, a.Body, "“soon” is no number of minutes")

	a = w.Do("POST", "/pause", url.Values{"csrf": {token}, "domain": {"gmail.com"}, "minutes": {"10"},
		"next": {"/?domain=gmail.com"}})
	require.Equal(t, "/?domain=gmail.com", a.Header.Get("Location"))
	page := w.Get("/?domain=gmail.com").Body
	require.Contains(t, page, "Delivery of mail to gmail.com is paused. What is to be sent waits in the queue.")
	require.Contains(t, page, "Resume delivery of mail to gmail.com")
	require.NotContains(t, w.Get("/").Body, "waits in the queue", "a notice is shown once")
	require.Contains(t, w.Get("/").Body, "Partly paused")
	require.Contains(t, w.Get("/domains/gmail.com").Body, "k-paused")
	require.Equal(t, "running", w.pill(filter{Domain: "other.test"}).State)
	require.Equal(t, "paused", w.pill(filter{Domain: "gmail.com", Tag: "x"}).State, "held by the wider pause")
	require.Equal(t, 1, w.activePauses())
	require.Contains(t, w.Logged.String(), "who=admin")
	w.Clock.Forward(11 * time.Minute)
	require.Equal(t, "running", w.pill(filter{Domain: "gmail.com"}).State, "it has ended")

	w.Do("POST", "/pause", url.Values{"csrf": {token}})
	require.Equal(t, "paused", w.pill(filter{MTA: "192.0.2.1"}).State, "all mail")
	w.Do("POST", "/resume", url.Values{"csrf": {token}})
	require.Contains(t, w.Get("/").Body, "Delivery of all mail goes on.")
}

// TestResumeOnAnInstance ends pauses of an instance that has a number, and those of the whole cluster; another
// instance's stay.
func TestResumeOnAnInstance(t *testing.T) {
	w := newWorld(t, func(c *Console) {
		withSettings(t)(c)
		c.Admin.Instance = 7
	}).logIn()
	form := url.Values{"csrf": {w.CSRF()}, "domain": {"gmail.com"}}
	w.Do("POST", "/pause", form)
	require.True(t, w.pill(filter{Domain: "gmail.com"}).Own)
	for _, of := range []admin.Values{{"cluster": true}, {"cluster": false, "instance": int64(8)}} {
		of["target"] = "gmail.com"
		_, err := w.Admin.Create(t.Context(), "paused", of)
		require.NoError(t, err)
	}
	w.Do("POST", "/resume", form)
	require.Equal(t, "running", w.pill(filter{Domain: "gmail.com"}).State)
	require.Len(t, w.settings().Rows.Pauses, 1)
	require.EqualValues(t, 8, w.settings().Rows.Pauses[0].Instance)
}

func TestRename(t *testing.T) {
	w := newWorld(t, withSettings(t)).logIn()
	token := w.CSRF()
	a := w.Do("POST", "/mtas/192.0.2.1/rename", url.Values{"csrf": {token}, "label": {"two words"}})
	require.Equal(t, http.StatusBadRequest, a.StatusCode, a.Body)
	a = w.Do("POST", "/mtas/192.0.2.1/rename", url.Values{"csrf": {token}, "label": {"out1.example.com"}})
	require.Equal(t, http.StatusSeeOther, a.StatusCode, a.Body)
	require.Contains(t, w.Get("/mtas/192.0.2.1").Body, "greets as <b>out1.example.com</b>")
	w.Do("POST", "/mtas/192.0.2.1/rename", url.Values{"csrf": {token}, "label": {""}})
	require.Empty(t, w.label("192.0.2.1"))
}

func TestAttention(t *testing.T) {
	now := time.Now()
	limit := []admin.LimitValue{{Limit: "maxmessages", Value: 1200, Unit: "per minute", Rule: "Gmail warm"}}
	all := attention([]admin.Path{
		{Site: "quiet.test", Open: 3},
		{Site: "gmail.com", Source: "192.0.2.1", Ready: 6000, Limits: limit,
			Binding: []admin.Binding{{Limit: "maxmessages", Rule: "Gmail warm"}}},
		{Site: "gmail.com", Source: "192.0.2.2", Ready: 911, Limits: limit,
			Binding: []admin.Binding{{Limit: "maxmessages", Rule: "Gmail warm"}}},
		{Site: "down.test", Ready: 5, Offline: now.Add(5 * time.Minute), LastError: "connection timed out"},
		{Site: "new.test", Resolving: 2},
		{Site: "full.test", Ready: 1, NoSlot: true},
		{Site: "flood.test", Ready: 9000, Floods: []admin.Flood{{Name: "slow", Phase: "paused", Text: "421 go away",
			Until: now.Add(90 * time.Second)}}},
	}, nil, now)
	type line struct{ domain, kind, why string }
	var lines []line
	for _, one := range all {
		lines = append(lines, line{one.Domain, one.Kind, one.Why})
	}
	require.Equal(t, []line{
		{"flood.test", "flood", "Flood “slow”: paused after “421 go away”, for 1 min 30 s more."},
		{"gmail.com", "throttle", "“Gmail warm” allows 1,200 msg/min. (2 addresses)"},
		{"down.test", "offline", "No host could be reached: connection timed out."},
		{"new.test", "dns", "The mail servers of the domain are being looked up."},
		{"full.test", "slots", "All connections of this server are in use."},
	}, lines)
	require.Equal(t, 6911, all[1].Waiting)
}

func TestDomainPage(t *testing.T) {
	paths := func(_ context.Context, domain string, _ netip.Addr) ([]admin.Path, error) {
		return []admin.Path{{Site: "gmail.com", Source: "192.0.2.1", Ready: 3, Limits: []admin.LimitValue{
			{Limit: "maxconnections", Value: 0, Unit: "count", Rule: "configuration"},
			{Limit: "maxmessages", Value: 60, Unit: "per minute", Rule: "Warm"},
			{Limit: "ip_maxbytes", Value: 5_000_000, Unit: "per minute", Rule: "Warm"}},
			Binding: []admin.Binding{{Limit: "maxmessages", Rule: "Warm"}}}}, nil
	}
	w := newWorld(t, func(c *Console) { c.Admin = &admin.Admin{Live: c.Live, Paths: paths} }).logIn()
	page := w.Get("/domains/gmail.com").Body
	require.Contains(t, page, "3 messages wait: “Warm” allows 60 msg/min.")
	require.Regexp(t, `class="binding"><th scope="row">maxmessages .*limits now.*60 a minute.*“Warm”`, page)
	require.Contains(t, page, "unlimited")
	require.Contains(t, page, "5.0 MB a minute")
	require.Contains(t, w.Get("/domains/gmail.com/why").Body, "Effective limits")
}

func TestPausesHold(t *testing.T) {
	now := time.Now()
	all := attention([]admin.Path{{Site: "b.test", Source: "192.0.2.1", Ready: 4,
		Binding: []admin.Binding{{Limit: "maxmessages", Rule: "Slow"}},
		Limits:  []admin.LimitValue{{Limit: "maxmessages", Value: 60, Rule: "Slow"}}}},
		[]admin.Held{
			{Domain: "a.test", Rule: "pause 3", Messages: 500, Until: now.Add(2 * time.Minute)},
			{Domain: "b.test", Rule: "pause 4", Messages: 10},
			{Domain: "empty.test", Rule: "pause 4"},
			{Tag: "news/48", Rule: "pause 5", Messages: 7},
			{Rule: "pause 6", Messages: 3},
			{Domain: "back.test", Rule: "pause 7", Messages: 2, Until: now, Flowing: true},
		}, now)
	type line struct {
		name, link, kind, why string
		waiting               int
	}
	var lines []line
	for _, one := range all {
		lines = append(lines, line{one.Name, one.Link, one.Kind, one.Why, one.Waiting})
	}
	require.Equal(t, []line{
		{"a.test", "/domains/a.test", "paused", "Delivery is paused by pause 3, for 2 min more.", 500},
		{"b.test", "/domains/b.test", "paused", "Delivery is paused by pause 4.", 14},
		{"tag “news/48”", "/tags/news%2F48", "paused", "Delivery is paused by pause 5.", 7},
		{"Pause 6", "/pauses", "paused", "Delivery is paused by pause 6.", 3},
		{"back.test", "/domains/back.test", "paused", "A pause is over, and what it held comes back.", 2},
	}, lines)
	require.Equal(t, now.Add(2*time.Minute), all[0].Next)
}

func TestHeldMailIsShown(t *testing.T) {
	var asked error
	database := withSettings(t)
	w := newWorld(t, func(c *Console) {
		database(c)
		c.Admin.Held = func(context.Context) ([]admin.Held, error) {
			return []admin.Held{{Domain: "a.test", Rule: "pause 3", Messages: 500}, {Tag: "<i>", Rule: "pause 5", Messages: 7}},
				asked
		}
	}).logIn()
	page := w.Get("/").Body
	require.Contains(t, page,
		`<a href="/domains/a.test" title="a.test">a.test</a></th><td><span class="kind k-paused">paused</span> Delivery is paused by pause 3.</td><td class="n">500</td>`)
	require.Contains(t, page, `<a href="/tags/%3Ci%3E" title="tag “&lt;i&gt;”">`)
	require.Equal(t, 1, w.inTrouble(), "domains")
	require.Contains(t, w.Get("/domains/a.test").Body, "500 messages wait: Delivery is paused by pause 3.")
	require.NotContains(t, w.Get("/domains/b.test").Body, "500 messages")
	w.Do("POST", "/pause", url.Values{"csrf": {w.CSRF()}, "domain": {"a.test"}})
	require.Contains(t, w.Get("/domains/a.test").Body, "500 messages wait: Delivery of mail to a.test is paused.")

	asked = errors.New("the queue is away")
	w.Clock.Forward(time.Minute)
	require.Contains(t, w.Get("/").Body, "not known now: the queue is away")
}

func TestStoppedServer(t *testing.T) {
	w := newWorld(t, withSettings(t)).logIn()
	keeper := w.Settings
	require.NotContains(t, w.Get("/").Body, "stopped")
	keeper.SetStarted([]rules.Pause{{Cluster: true}})
	for _, path := range []string{"/", "/?domain=gmail.com", "/domains/gmail.com"} {
		page := w.Get(path).Body
		require.Contains(t, page, `data-state="paused"`, path)
		require.Contains(t, page, "All delivery of this server is stopped", path)
		require.Contains(t, page, "Resume delivery of this server", path)
	}
	require.Contains(t, w.Get("/pauses").Body, "All delivery of this server is stopped",
		"beside a list that has no such row")
	require.Equal(t, 1, w.activePauses())
	w.Watch("shell?filtered=yes").Until("shell?filtered=yes",
		func(m consoletest.Message) bool { return strings.Contains(string(m.Data), `"state":"paused"`) })
	form := url.Values{"csrf": {w.CSRF()}, "stopped": {"yes"}, "next": {"/domains/gmail.com"}}
	require.Equal(t, "/domains/gmail.com", w.Do("POST", "/resume", form).Header.Get("Location"))
	require.False(t, keeper.StartedPaused())
	require.Contains(t, w.Get("/domains/gmail.com").Body, "Delivery goes on.")
	w.Do("POST", "/resume", form)
	require.Contains(t, w.Get("/").Body, "had been resumed already")
	require.Contains(t, w.Logged.String(), "delivery resumed")
}
