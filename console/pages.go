package console

import (
	"context"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/console/sheets"
	"github.com/sluicemail/sluice/queue"
)

// Check makes everything ready that is otherwise made at the first request, and returns what is wrong with it: a
// template in Dir that cannot be read.
func (c *Console) Check() error {
	c.once.Do(c.prepare)
	return c.frame.Check()
}

func (c *Console) prepare() {
	f := &c.frame
	f.Files, f.Functions = []fs.FS{builtIn, sheets.Files}, template.FuncMap{"chart": newChart}
	f.Auth, f.SMTPAuth, f.API, f.Metrics, f.Ready = c.Auth, c.SMTPAuth, c.API, c.Metrics, c.Ready
	f.Troubles, f.Explain, f.Actor = c.troubles, asFault, actor
	f.Hostname, f.Version, f.Dir, f.CacheControl, f.URL = c.Hostname, c.Version, c.Dir, c.CacheControl, c.URL
	f.Idle, f.Lifetime, f.MaxSockets = c.Idle, c.Lifetime, c.MaxSockets
	f.Access, f.Logger, f.Now = c.Access, c.Logger, c.Now
	f.Pill = func(params url.Values) any { return c.pill(filterOf(params)) }
	c.sheets = sheets.Sheets{Admin: c.Admin, Settings: c.Settings, Tools: c.Tools, Hostname: c.Hostname, Now: c.now,
		Addresses: c.localAddresses, Pauses: c.activePauses, Errors: c.forcedErrors}
	c.troubled = frame.NewLatest(f, attentionEvery, attentionTime, c.askHeldBack)
	c.queued = frame.NewLatest(f, queuesEvery, queuesTime,
		func(ctx context.Context) ([]queue.Stats, error) { return c.Admin.Queues(ctx) })
	c.consumers = frame.NewLatest(f, queuesEvery, asideTime, c.askConsumers)
	c.aside = frame.NewLatest(f, queuesEvery, asideTime, c.askAside)
	c.parts = frame.NewLatest(f, servicesEvery, servicesTime,
		func(ctx context.Context) ([]admin.Service, error) { return c.Admin.ServiceStates(ctx), nil })
	f.Pages = c.allPages()
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

// allPages lists every page, in the order of the side bar within its group.
func (c *Console) allPages() []frame.Page {
	return append([]frame.Page{
		c.overviewPage(), c.domainsPage(), c.mtasPage(), c.tagsPage(),
		c.queuesPage(), c.smtpMonitorPage(), c.renderedPage(), c.logsPage(), c.servicesPage(), c.clusterPage(),
		c.pausePage(),
	}, c.sheets.Pages()...)
}
