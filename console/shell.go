package console

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/monitor"
)

// shell is what layout.html gets: the page and all around it.
type shell struct {
	Title, Hostname, Version string
	Path                     string // of the request, with its query: where forms of the shell come back to
	Static                   string // begin of the address of static files
	Theme                    string // "light", "dark", "": as the system is
	CSRF                     string
	User                     string // "": nobody is logged in
	Nav                      []navGroup
	Filter                   *filterBar // nil: the page has none
	Notices                  []string
	Troubles                 []string // what is wrong with the server itself: the database is down
	Body                     any
}

type navGroup struct {
	Name  string
	Items []navItem
}

type navItem struct {
	Title, Path string
	Count       int
	Current     bool
}

// filterBar is what figures are about, and whether delivery of that is paused.
type filterBar struct {
	Of      filter
	MTAs    []string // addresses to choose from
	Domains []string // some to choose from
	Tags    []string
	Pill    pill
}

// filter is a monitor.Filter as people write it.
type filter struct {
	MTA, Domain, Tag string
}

func (f filter) any() bool { return f != filter{} }

// Query is the filter as it stands in addresses, with its question mark; "" when it selects all.
func (f filter) Query() string {
	q := f.values()
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

func (f filter) values() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"mta": f.MTA, "domain": f.Domain, "tag": f.Tag} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// String says what is selected: "mail to gmail.com from 192.0.2.1 with tag “x”".
func (f filter) String() string {
	if !f.any() {
		return "all mail"
	}
	text := "mail"
	if f.Domain != "" {
		text += " to " + f.Domain
	}
	if f.MTA != "" {
		text += " from " + f.MTA
	}
	if f.Tag != "" {
		text += " with tag “" + f.Tag + "”"
	}
	return text
}

// filterOf reads a filter. An address that is none is left out.
func filterOf(q url.Values) filter {
	f := filter{Domain: addr.Fold(strings.TrimSpace(cut(q.Get("domain"), 255))),
		Tag: strings.TrimSpace(cut(q.Get("tag"), 255))}
	if mta, err := netip.ParseAddr(strings.TrimSpace(q.Get("mta"))); err == nil {
		f.MTA = mta.Unmap().String()
	}
	return f
}

func (f filter) monitor() monitor.Filter {
	mta, _ := netip.ParseAddr(f.MTA)
	return monitor.Filter{MTA: mta, Domain: f.Domain, Tag: f.Tag}
}

func (v *visit) filter() filter { return filterOf(v.r.URL.Query()) }

func (v *visit) shell(body any) *shell {
	c := v.c
	s := &shell{Title: v.page.title, Hostname: c.Hostname, Version: c.Version, Path: v.r.URL.RequestURI(),
		Static: "/static/" + c.files.version, Theme: themeOf(v.r), Body: body}
	if v.title != "" {
		s.Title = v.title
	}
	if v.session == nil {
		s.Path = "/"
		return s
	}
	if v.r.Method != "GET" && v.r.Method != "HEAD" {
		s.Path = v.page.path
	}
	s.CSRF, s.User, s.Notices = v.session.csrf, v.session.user, c.sessions.take(v.session)
	s.Nav = v.nav()
	s.Troubles = c.troubles()
	if v.page.filter {
		s.Filter = v.filterBar()
	}
	return s
}

// nav is the side bar. Pages that can be filtered keep the filter.
func (v *visit) nav() []navGroup {
	var all []navGroup
	query := ""
	if v.page.filter {
		query = v.filter().Query()
	}
	for _, g := range groups() {
		list := navGroup{Name: string(g)}
		for i := range v.c.pages {
			p := &v.c.pages[i]
			if p.group != g || p.path == "" {
				continue
			}
			item := navItem{Title: p.title, Path: p.path, Current: p.path == v.page.path}
			if p.filter {
				item.Path += query
			}
			if p.count != nil {
				item.Count = p.count(v.c)
			}
			list.Items = append(list.Items, item)
		}
		if len(list.Items) > 0 {
			all = append(all, list)
		}
	}
	return all
}

const maxChoices = 50

func (v *visit) filterBar() *filterBar {
	b := &filterBar{Of: v.filter()}
	b.MTAs = v.c.localAddresses()
	if b.Of.MTA != "" && !slices.Contains(b.MTAs, b.Of.MTA) {
		b.MTAs = append(b.MTAs, b.Of.MTA)
	}
	b.Domains = busiest(v.c.rows(domainRows))
	b.Tags = busiest(v.c.rows(tagRows))
	b.Pill = v.c.pill(b.Of)
	return b
}

// localAddresses are those that mail left from in the last minute, and those that the settings know.
func (c *Console) localAddresses() []string {
	var all []string
	for _, row := range c.rows(mtaRows) {
		if row.Name != "" {
			all = append(all, row.Name)
		}
	}
	for _, row := range c.settings().Rows.IPs {
		all = append(all, row.IP)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return all[:min(len(all), 500)]
}

// busiest returns names to choose from.
func busiest(rows []monitor.Row) []string {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b monitor.Row) int { return int(b.Sum.Processed - a.Sum.Processed) })
	var names []string
	for _, row := range rows {
		if row.Name != "" && len(names) < maxChoices {
			names = append(names, row.Name)
		}
	}
	slices.Sort(names)
	return names
}

// troubles are what every page says about the server.
func (c *Console) troubles() []string {
	var all []string
	if c.Settings != nil {
		if state := c.Settings.State(); state.Err != nil {
			all = append(all, "The settings database cannot be reached since "+clock(state.Since)+
				". Mail goes on with the settings in force; they cannot be changed until it is back.")
		}
	}
	if c.Admin != nil && c.Admin.Stopped() {
		all = append(all,
			stoppedWhy+" Mail is still taken in, and waits. Resume it there, or with the switch on top of the overview.")
	}
	if c.Ready != nil {
		if err := c.Ready(); err != nil {
			all = append(all, "Not ready: "+err.Error()+".")
		}
	}
	return all
}

// shellTopics are the live data of the shell itself.
func shellTopics() map[string]topic {
	return map[string]topic{"shell": {every: 4 * beat, value: shellNews}}
}

// news is what changes in the shell of every page.
type news struct {
	Counts   map[string]int `json:"counts"` // beside side bar entries, by path
	Pill     *pill          `json:"pill,omitempty"`
	Troubles []string       `json:"troubles"`
}

func shellNews(c *Console, params url.Values) any {
	n := news{Counts: map[string]int{}, Troubles: c.troubles()}
	for i := range c.pages {
		if p := &c.pages[i]; p.count != nil && p.path != "" {
			n.Counts[p.path] = p.count(c)
		}
	}
	if params.Get("filtered") != "" {
		state := c.pill(filterOf(params))
		n.Pill = &state
	}
	return n
}

// active reports whether a rule with an end is in force here.
func (c *Console) active(enabled bool, expire string, cluster bool, instance int64) bool {
	if !enabled || c.Admin != nil && !cluster && instance != 0 && instance != c.Admin.Instance {
		return false
	}
	end, err := settings.ParseTime(expire)
	return err != nil || end.IsZero() || end.After(c.now())
}
