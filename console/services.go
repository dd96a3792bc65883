package console

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/console/mailview"
	"github.com/sluicemail/sluice/internal/human"
)

// servicesPage shows how the parts of the server and what it depends on are doing, and stops and resumes its own.
func (c *Console) servicesPage() frame.Page {
	return frame.Page{Path: "/services", Title: "Services", Group: frame.System, Count: c.servicesDown,
		Routes: map[string]frame.View{"GET /services": c.servicesView, "GET /services/part": c.servicesPart, "POST /services": c.setService},
		Topics: map[string]frame.Topic{"services": {Every: servicesEvery,
			Value: func(context.Context, url.Values) any { return c.services() }}}}
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
	all, _, _ := c.parts.Get()
	return all
}

// servicesDown counts services that are down without having been stopped, and services that somebody stopped.
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
		l := serviceLine{Service: s, State: "up", Detail: human.Cut(mailview.Printable(s.Detail), 600)}
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

func (c *Console) servicesView(v *frame.Visit) error { return v.Render("services", c.servicesData()) }

// servicesPart renders the tables for scripts that put them into the page.
func (c *Console) servicesPart(v *frame.Visit) error {
	return v.Partial("services", "parts", v.Bare(c.servicesData()))
}

// setService stops or resumes a service.
func (c *Console) setService(v *frame.Visit) error {
	if c.Admin == nil {
		return noAdmin()
	}
	name, run := v.R.PostForm.Get("name"), v.R.PostForm.Get("run")
	if run != "yes" && run != "no" {
		return &frame.Fault{Status: http.StatusBadRequest, What: "The form does not say whether to stop or to resume.",
			Next: "Go back and load the page again."}
	}
	err := c.Admin.SetService(v.R.Context(), name, run == "yes")
	c.parts.Forget()
	if err != nil {
		return err
	}
	notice := mailview.Printable(name) + " goes on."
	if run == "no" {
		notice = mailview.Printable(name) + " is stopped until somebody resumes it."
	}
	return v.Redirect("/services", notice)
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
func (c *Console) clusterPage() frame.Page {
	return frame.Page{Path: "/cluster", Title: "Cluster", Group: frame.System, Routes: map[string]frame.View{"GET /cluster": c.clusterView}}
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

func (c *Console) clusterView(v *frame.Visit) error {
	d := clusterData{None: c.Instances == nil, Own: c.Hostname}
	if d.None {
		return v.Render("cluster", d)
	}
	others, err := c.Instances()
	if err != nil {
		d.Problem = "What the other instances do is not known now: " + mailview.Printable(err.Error()) + "."
	}
	for _, o := range others {
		l := instanceLine{Host: human.Cut(mailview.Printable(o.Host), 255), Outbox: human.Cut(mailview.Printable(o.Outbox), 255),
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
	return v.Render("cluster", d)
}
