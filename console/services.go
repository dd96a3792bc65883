package console

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/mailview"
)

// servicesPage shows how the parts of the server and what it depends on are doing, and stops and resumes its own.
func servicesPage() page {
	return page{path: "/services", title: "Services", group: system, count: (*Console).servicesDown,
		routes: map[string]view{"GET /services": services, "GET /services/part": servicesPart, "POST /services": setService},
		topics: map[string]topic{"services": {every: servicesEvery,
			value: func(c *Console, _ url.Values) any { return c.services() }}}}
}

const (
	servicesEvery = 2 * time.Second
	servicesTime  = 5 * time.Second
)

// services returns how all services are doing: the side bar of every page counts them. The slice is shared.
func (c *Console) services() []admin.Service {
	if c.Admin == nil {
		return []admin.Service{}
	}
	all, _ := c.parts.get(c, source[[]admin.Service]{servicesEvery, servicesTime,
		func(ctx context.Context) ([]admin.Service, error) {
			return c.Admin.ServiceStates(ctx), nil
		}})
	return all
}

// servicesDown counts those that are down without having been stopped, and those that somebody stopped.
func (c *Console) servicesDown() int {
	n := 0
	for _, s := range c.services() {
		if !s.Up || s.Stopped {
			n++
		}
	}
	return n
}

// servicesData is what services.html gets.
type servicesData struct {
	Own   []serviceLine // can be stopped
	Other []serviceLine
}

type serviceLine struct {
	admin.Service
	State  string // "up", "down", "stopped"
	Detail string
	Effect string // of stopping it
}

func (c *Console) servicesData() servicesData {
	var d servicesData
	for _, s := range c.services() {
		l := serviceLine{Service: s, State: "up", Detail: cut(mailview.Printable(s.Detail), 600)}
		switch {
		case s.Stopped:
			l.State = "stopped"
		case !s.Up:
			l.State = "down"
		}
		l.Effect = "Clients are answered that they should come back later, until it is resumed. Sessions under way go on."
		if strings.EqualFold(s.Name, "delivery") {
			l.Effect = "No mail leaves until it is resumed. Mail is still taken in and fills the queues."
		}
		if s.Controllable {
			d.Own = append(d.Own, l)
		} else {
			d.Other = append(d.Other, l)
		}
	}
	return d
}

func services(v *visit) error { return v.render("services", v.c.servicesData()) }

// servicesPart renders the tables for scripts that put them into the page.
func servicesPart(v *visit) error {
	return v.partial("services", "parts", &shell{CSRF: v.session.csrf, Body: v.c.servicesData()})
}

// setService stops or resumes a service.
func setService(v *visit) error {
	if v.c.Admin == nil {
		return noAdmin()
	}
	name, run := v.r.PostForm.Get("name"), v.r.PostForm.Get("run")
	if run != "yes" && run != "no" {
		return &fault{status: http.StatusBadRequest, what: "The form does not say whether to stop or to resume.",
			next: "Go back and load the page again."}
	}
	err := v.c.Admin.SetService(v.r.Context(), name, run == "yes")
	v.c.parts.forget()
	if err != nil {
		return err
	}
	notice := mailview.Printable(name) + " goes on."
	if run == "no" {
		notice = mailview.Printable(name) + " is stopped until somebody resumes it."
	}
	return v.redirect("/services", notice)
}

// Instance is another server of the cluster.
type Instance struct {
	Host   string
	URL    string // of its console; "": not known
	IPs    []netip.Addr
	Outbox string // the queue it reads; "": none that others can publish to
	Seen   time.Time
}

// clusterPage leads to the consoles of the other instances.
func clusterPage() page {
	return page{path: "/cluster", title: "Cluster", group: system, routes: map[string]view{"GET /cluster": clusterView}}
}

type clusterData struct {
	None    bool // there is no cluster
	Others  []instanceLine
	Problem string
	Own     string
}

type instanceLine struct {
	Host, URL, Outbox string
	IPs               []string
	More              int // addresses that are not shown
	Seen              time.Time
}

const shownIPs = 12

func clusterView(v *visit) error {
	d := clusterData{None: v.c.Instances == nil, Own: v.c.Hostname}
	if d.None {
		return v.render("cluster", d)
	}
	others, err := v.c.Instances()
	if err != nil {
		d.Problem = "What the other instances do is not known now: " + mailview.Printable(err.Error()) + "."
	}
	for _, o := range others {
		l := instanceLine{Host: cut(mailview.Printable(o.Host), 255), Outbox: cut(mailview.Printable(o.Outbox), 255),
			Seen: o.Seen}
		if at, err := url.Parse(o.URL); err == nil && (at.Scheme == "http" || at.Scheme == "https") && at.Host != "" &&
			at.User == nil {
			l.URL = at.String()
		}
		for _, ip := range o.IPs[:min(len(o.IPs), shownIPs)] {
			l.IPs = append(l.IPs, ip.String())
		}
		l.More = len(o.IPs) - len(l.IPs)
		d.Others = append(d.Others, l)
	}
	return v.render("cluster", d)
}
