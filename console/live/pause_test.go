package live_test

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/delivery/rules"
	"github.com/sluicemail/sluice/internal/consoletest"
	"github.com/sluicemail/sluice/internal/webtest"
)

// switchOf is how the switch stands on top of the overview of what these parameters choose.
func switchOf(w *consoletest.World, q url.Values) string {
	w.T.Helper()
	return consoletest.Between(w.T, w.Get("/?"+q.Encode()).Body, `data-state="`, `"`)
}

func TestPause(t *testing.T) {
	w := consoletest.New(t, consoletest.WithSettings(t)).LogIn()
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
	require.Equal(t, "running", switchOf(w, url.Values{"domain": {"other.test"}}))
	require.Equal(t, "paused", switchOf(w, url.Values{"domain": {"gmail.com"}, "tag": {"x"}}), "held by the wider pause")
	require.Contains(t, w.Get("/").Body, `<b data-held="pauses">1</b>`)
	require.Contains(t, w.Logged.String(), "who=admin")
	w.Clock.Forward(11 * time.Minute)
	require.Equal(t, "running", switchOf(w, url.Values{"domain": {"gmail.com"}}), "it has ended")

	a = w.Do("POST", "/pause", url.Values{"csrf": {token}})
	require.Equal(t, http.StatusBadRequest, a.StatusCode)
	require.Contains(t, a.Body, "would hold all mail of this server, and nothing was changed")
	require.Equal(t, "running", switchOf(w, url.Values{}))
	w.Do("POST", "/pause", url.Values{"csrf": {token}, "sure": {"yes"}})
	require.Equal(t, "paused", switchOf(w, url.Values{"mta": {"192.0.2.1"}}), "all mail")
	w.Do("POST", "/resume", url.Values{"csrf": {token}})
	require.Contains(t, w.Get("/").Body, "Delivery of all mail goes on.")
}

// TestResumeOnAnInstance ends pauses of an instance that has a number, and those of the whole cluster; another
// instance's stay.
func TestResumeOnAnInstance(t *testing.T) {
	w := consoletest.New(t, func(c *console.Console) {
		consoletest.WithSettings(t)(c)
		c.Admin.Instance = 7
	}).LogIn()
	form := url.Values{"csrf": {w.CSRF()}, "domain": {"gmail.com"}}
	w.Do("POST", "/pause", form)
	require.Contains(t, w.Get("/?domain=gmail.com").Body, "Resume delivery of mail to gmail.com")
	for _, of := range []admin.Values{{"cluster": true}, {"cluster": false, "instance": int64(8)}} {
		of["target"] = "gmail.com"
		_, err := w.Admin.Create(t.Context(), "paused", of)
		require.NoError(t, err)
	}
	w.Do("POST", "/resume", form)
	require.Equal(t, "running", switchOf(w, url.Values{"domain": {"gmail.com"}}))
	require.Len(t, w.Settings.Current().Rows.Pauses, 1)
	require.EqualValues(t, 8, w.Settings.Current().Rows.Pauses[0].Instance)
}

func TestRename(t *testing.T) {
	w := consoletest.New(t, consoletest.WithSettings(t)).LogIn()
	token := w.CSRF()
	a := w.Do("POST", "/mtas/192.0.2.1/rename", url.Values{"csrf": {token}, "label": {"two words"}})
	require.Equal(t, http.StatusBadRequest, a.StatusCode, a.Body)
	a = w.Do("POST", "/mtas/192.0.2.1/rename", url.Values{"csrf": {token}, "label": {"out1.example.com"}})
	require.Equal(t, http.StatusSeeOther, a.StatusCode, a.Body)
	require.Contains(t, w.Get("/mtas/192.0.2.1").Body, "greets as <b>out1.example.com</b>")
	w.Do("POST", "/mtas/192.0.2.1/rename", url.Values{"csrf": {token}, "label": {""}})
	require.NotContains(t, w.Get("/mtas/192.0.2.1").Body, "out1.example.com")
}

func TestDomainPage(t *testing.T) {
	paths := func(_ context.Context, domain string, _ netip.Addr) ([]admin.Path, error) {
		return []admin.Path{{Site: "gmail.com", Source: "192.0.2.1", Ready: 3, Limits: []admin.LimitValue{
			{Limit: "maxconnections", Value: 0, Unit: "count", Rule: "configuration"},
			{Limit: "maxmessages", Value: 60, Unit: "per minute", Rule: "Warm"},
			{Limit: "ip_maxbytes", Value: 5_000_000, Unit: "per minute", Rule: "Warm"}},
			Binding: []admin.Binding{{Limit: "maxmessages", Rule: "Warm"}}}}, nil
	}
	w := consoletest.New(t, func(c *console.Console) { c.Admin = &admin.Admin{Live: c.Live, Paths: paths} }).LogIn()
	page := w.Get("/domains/gmail.com").Body
	require.Contains(t, page, "3 messages wait: “Warm” allows 60 msg/min.")
	require.Regexp(t, `class="binding"><th scope="row">Messages a minute .*limits now.*60 a minute.*“Warm”`, page)
	require.Regexp(t, `>192.0.2.1</a></th><td>gmail.com</td>.*?k-throttle">throttle</span> “Warm” allows 60 msg/min.</td>`, page)
	require.Contains(t, page, "unlimited")
	require.Contains(t, page, "5.0 MB a minute")
	require.Contains(t, w.Get("/domains/gmail.com/why").Body, "Effective limits")
}

func TestHeldMailIsShown(t *testing.T) {
	var asked error
	database := consoletest.WithSettings(t)
	w := consoletest.New(t, func(c *console.Console) {
		database(c)
		c.Admin.Held = func(context.Context) ([]admin.Held, error) {
			return []admin.Held{{Domain: "a.test", Rule: "pause 3", Messages: 500}, {Tag: "<i>", Rule: "pause 5", Messages: 7}},
				asked
		}
	}).LogIn()
	page := w.Get("/").Body
	require.Contains(t, page,
		`<a href="/domains/a.test" title="a.test">a.test</a></th><td><span class="kind k-paused">paused</span> Delivery is paused by pause 3.</td><td class="n">500</td>`)
	require.Contains(t, page, `<a href="/tags/%3Ci%3E" title="tag “&lt;i&gt;”">`)
	require.Contains(t, page, `data-count="/domains">1<`, "domains")
	require.Contains(t, w.Get("/domains/a.test").Body, "500 messages wait: Delivery is paused by pause 3.")
	require.NotContains(t, w.Get("/domains/b.test").Body, "500 messages")
	w.Do("POST", "/pause", url.Values{"csrf": {w.CSRF()}, "domain": {"a.test"}})
	require.Contains(t, w.Get("/domains/a.test").Body, "500 messages wait: Delivery of mail to a.test is paused.")

	asked = errors.New("the queue is away")
	w.Clock.Forward(time.Minute)
	require.Contains(t, w.Get("/").Body, "not known now: the queue is away")
}

func TestStoppedServer(t *testing.T) {
	w := consoletest.New(t, consoletest.WithSettings(t)).LogIn()
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
	require.Contains(t, w.Get("/").Body, `<b data-held="pauses">1</b>`)
	w.Watch("shell?filtered=yes").Until("shell?filtered=yes",
		func(m webtest.Message) bool { return strings.Contains(string(m.Data), `"state":"paused"`) })
	form := url.Values{"csrf": {w.CSRF()}, "stopped": {"yes"}, "next": {"/domains/gmail.com"}}
	require.Equal(t, "/domains/gmail.com", w.Do("POST", "/resume", form).Header.Get("Location"))
	require.False(t, keeper.StartedPaused())
	require.Contains(t, w.Get("/domains/gmail.com").Body, "Delivery goes on.")
	w.Do("POST", "/resume", form)
	require.Contains(t, w.Get("/").Body, "had been resumed already")
	require.Contains(t, w.Logged.String(), "delivery resumed")
}

// TestPausesAreNamedByWhatTheyHold names a pause wherever it is the reason, not by a number that nobody knows.
func TestPausesAreNamedByWhatTheyHold(t *testing.T) {
	o := consoletest.NewOffice(t, func(c *console.Console) {
		c.Admin.Paths = func(context.Context, string, netip.Addr) ([]admin.Path, error) {
			return []admin.Path{{Site: "path.test", Source: "192.0.2.1", Ready: 2,
				Binding: []admin.Binding{{Limit: "pause", Rule: "pause 2"}}}}, nil
		}
		c.Admin.Held = func(context.Context) ([]admin.Held, error) {
			return []admin.Held{{Domain: "held.test", Rule: "pause 1", Messages: 12}, {Rule: "pause 2", Messages: 3},
				{Tag: "gone", Rule: "pause 99", Messages: 1}}, nil
		}
	})
	o.Add("paused", admin.Values{"target": "held.test"})
	o.Add("paused", admin.Values{"localip": "192.0.2.1", "tag": "news"})
	page := o.Get("/").Body
	require.Contains(t, page, "Delivery is paused by the pause of mail to held.test.")
	require.Contains(t, page, `title="The pause of mail from 192.0.2.1 with the tag “news”"`)
	require.Contains(t, page, "Delivery is paused by pause 99.", "a pause that is gone has nothing but its number")
	require.Contains(t, o.Get("/domains/path.test").Body, "2 messages wait: Delivery is paused by the pause of mail from 192.0.2.1 with the tag “news”.")
	require.Contains(t, o.Get("/domains/held.test").Body, "12 messages wait: Delivery of mail to held.test is paused.")
}
