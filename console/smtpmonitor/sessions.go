package smtpmonitor

import (
	"context"
	"embed"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/console/mailview"
	"github.com/sluicemail/sluice/internal/human"
	"github.com/sluicemail/sluice/monitor"
)

// Files are the template and the module of the page.
//
//go:embed *.html *.js
var Files embed.FS

// Monitor shows SMTP sessions while they speak. Its fields are set before Page is called, and stay as they are.
type Monitor struct {
	Live *monitor.Live // which is told of sessions
	// RenderUserAgent is the only User-Agent that may render mail. "": all may.
	RenderUserAgent string

	shelf shelf
}

// Page is the page, for a frame that serves it.
func (c *Monitor) Page() frame.Page {
	p := frame.Page{
		Path: "/smtp", Title: "SMTP monitor", Group: frame.Live,
		Routes:  map[string]frame.View{"GET /smtp": c.list},
		Topics:  map[string]frame.Topic{"smtp-sessions": {Every: time.Second, Value: c.sessions}},
		Streams: map[string]frame.Stream{"smtp": {Run: c.follow}},
	}
	mailview.AddRoutes(p.Routes, "/smtp/mails/{id}", c.passedMail, c.RenderUserAgent)
	return p
}

// filter selects sessions, as people write it.
type filter struct {
	IP      string // address or network
	Domain  string // target of outgoing sessions
	Address string // said in the session
	Way     string // "in", "out", "": both
}

func filterOf(q url.Values) filter {
	field := func(name string) string { return strings.TrimSpace(human.Cut(q.Get(name), 255)) }
	f := filter{IP: field("ip"), Domain: strings.ToLower(field("domain")), Address: field("address"), Way: field("way")}
	if f.Way != "in" && f.Way != "out" {
		f.Way = ""
	}
	return f
}

// Query is the filter as it stands in addresses, without its question mark.
func (f filter) Query() string {
	q := url.Values{}
	for name, value := range map[string]string{"ip": f.IP, "domain": f.Domain, "address": f.Address, "way": f.Way} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q.Encode()
}

// monitor returns the filter for the sessions; the error says what is wrong with the address.
func (f filter) monitor() (monitor.SessionFilter, error) {
	of := monitor.SessionFilter{Domain: f.Domain, Text: f.Address, Incoming: f.Way == "in", Outgoing: f.Way == "out"}
	if f.IP == "" {
		return of, nil
	}
	if ip, err := netip.ParseAddr(f.IP); err == nil {
		ip = ip.Unmap().WithZone("")
		of.IP = netip.PrefixFrom(ip, ip.BitLen())
		return of, nil
	}
	network, err := netip.ParsePrefix(f.IP)
	if err != nil {
		return of, &frame.Fault{Status: http.StatusBadRequest,
			What: "This is no address. Write one such as 192.0.2.1, or a network such as 192.0.2.0/24."}
	}
	of.IP = network.Masked()
	return of, nil
}

// data is what smtp.html gets.
type data struct {
	Filter   filter
	Wrong    string // with the address
	Sessions sessionList
}

// sessionList is the sessions that are open.
type sessionList struct {
	Total    int    `json:"total"` // more of them are open than are listed when this is beyond maxListed
	Sessions []line `json:"sessions"`
}

// line is one session in the list.
type line struct {
	ID     uint64    `json:"id"`
	In     bool      `json:"in"`
	Local  string    `json:"local"`
	Remote string    `json:"remote"`
	Domain string    `json:"domain,omitempty"`
	Since  time.Time `json:"since"`
}

const maxListed = 300

func (c *Monitor) list(v *frame.Visit) error {
	d := data{Filter: filterOf(v.R.URL.Query())}
	f, err := d.Filter.monitor()
	if err != nil {
		d.Wrong = err.Error()
		return v.Render("smtp", d)
	}
	d.Sessions = c.openSessions(f)
	return v.Render("smtp", d)
}

func (c *Monitor) sessions(_ context.Context, q url.Values) any {
	f, err := filterOf(q).monitor()
	if err != nil {
		return sessionList{Sessions: []line{}}
	}
	return c.openSessions(f)
}

// openSessions lists the newest sessions.
func (c *Monitor) openSessions(f monitor.SessionFilter) sessionList {
	list := sessionList{Sessions: []line{}}
	all := c.Live.Sessions(f, maxSessionsSeen)
	list.Total = len(all)
	for _, s := range slices.Backward(all) {
		if len(list.Sessions) == maxListed {
			break
		}
		list.Sessions = append(list.Sessions, lineOf(&s))
	}
	return list
}

const maxSessionsSeen = 100_000

func lineOf(s *monitor.SessionInfo) line {
	return line{ID: s.ID, In: s.Incoming, Local: s.Local.String(), Remote: s.Remote.String(),
		Domain: mailview.Printable(s.Domain), Since: s.Since.UTC()}
}
