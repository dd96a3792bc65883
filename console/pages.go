package console

import (
	"cmp"
	"io/fs"
	"net/http"
	"slices"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/feedback"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/console/live"
	"github.com/sluicemail/sluice/console/logs"
	"github.com/sluicemail/sluice/console/mailview"
	"github.com/sluicemail/sluice/console/messages"
	"github.com/sluicemail/sluice/console/services"
	"github.com/sluicemail/sluice/console/sheets"
	"github.com/sluicemail/sluice/console/smtpmonitor"
	"github.com/sluicemail/sluice/console/tls"
	"github.com/sluicemail/sluice/monitor"
)

// Check makes everything ready that is otherwise made at the first request, and returns what is wrong with it: a
// template in Dir that cannot be read.
func (c *Console) Check() error {
	c.once.Do(c.prepare)
	return c.frame.Check()
}

func (c *Console) prepare() {
	f := &c.frame
	f.Auth, f.SMTPAuth, f.API, f.Metrics, f.Ready = c.Auth, c.SMTPAuth, c.API, c.Metrics, c.Ready
	f.Unsubscribe = c.Unsubscribe
	f.Explain, f.Actor = asFault, actor
	f.Hostname, f.Version, f.Dir, f.CacheControl, f.URL = c.Hostname, c.Version, c.Dir, c.CacheControl, c.URL
	f.Idle, f.Lifetime, f.MaxSockets = c.Idle, c.Lifetime, c.MaxSockets
	f.SessionFile, f.Credentials = c.SessionFile, c.Credentials
	f.Access, f.Logger, f.Now = c.Access, c.Logger, c.Now
	f.Files = []fs.FS{live.Files, messages.Files, mailview.Files, smtpmonitor.Files, logs.Files, feedback.Files, tls.Files, services.Files, sheets.Files}
	f.Pages = c.allPages()
	f.Troubles, f.Pill = c.live.Troubles, c.live.PillOf
}

// allPages lists every page, in the order of the side bar within its group.
func (c *Console) allPages() []frame.Page {
	figures, able := cmp.Or(c.Live, new(monitor.Live)), cmp.Or(c.Admin, new(admin.Admin))
	c.live = live.Live{Figures: figures, Settings: c.Settings, Admin: c.Admin, Hostname: c.Hostname, Now: c.now,
		Queues: c.messages.Queues, Resumed: c.services.Changed, Resolver: c.Resolver, Site: c.Site, Slots: c.Slots}
	c.messages = messages.Messages{Admin: c.Admin, Settings: c.Settings, Figures: figures, Hostname: c.Hostname,
		RenderUserAgent: c.RenderUserAgent, Preview: c.Preview, Now: c.now}
	c.services = services.Services{Admin: able, Instances: c.Instances, Hostname: c.Hostname}
	sessions := smtpmonitor.Monitor{Live: figures, RenderUserAgent: c.RenderUserAgent}
	logs := logs.Logs{Admin: able, Tail: c.Tail, Now: c.now}
	reports := feedback.Reports{Admin: able, Suppressed: c.suppressed}
	trust := tls.Trust{Admin: able}
	sheets := sheets.Sheets{Admin: able, Settings: c.Settings, Tools: c.Tools, Hostname: c.Hostname, Now: c.now,
		Addresses: c.live.LocalAddresses, Pauses: c.live.ActivePauses, Errors: c.live.ForcedErrors}
	return slices.Concat(c.live.Pages(&c.frame), c.messages.Pages(&c.frame), []frame.Page{sessions.Page(), logs.Page(), reports.Page()},
		trust.Pages(&c.frame), c.services.Pages(&c.frame), sheets.Pages())
}

// suppressed reports whether an address gets no mail now.
func (c *Console) suppressed(address string) bool {
	_, is := c.Settings.Current().Suppressions.Find(address)
	return is
}

// ServeHTTP implements http.Handler.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.once.Do(c.prepare)
	c.frame.ServeHTTP(w, r)
}

// Close tells the browsers that watch to come back later, and waits until nobody is served live data any more.
func (c *Console) Close() error {
	c.once.Do(c.prepare)
	return c.frame.Close()
}
