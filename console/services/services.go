package services

import (
	"context"
	"embed"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/console/mailview"
	"github.com/sluicemail/sluice/internal/human"
)

// Files are the templates and the module of the pages.
//
//go:embed *.html *.js
var Files embed.FS

// Services are the pages of services and of the cluster. Its fields are set before Pages is called, and stay as they
// are.
type Services struct {
	Admin *admin.Admin // asks and controls the services
	// Instances lists the other instances of the cluster, and whether they are known now. Nil: there is no cluster.
	Instances func() ([]Instance, error)
	Hostname  string // of this instance

	parts *frame.Latest[[]admin.Service]
}

// Pages are the pages, for a frame that serves them.
func (c *Services) Pages(f *frame.Frame) []frame.Page {
	c.parts = frame.NewLatest(f, servicesEvery, servicesTime,
		func(ctx context.Context) ([]admin.Service, error) { return c.Admin.ServiceStates(ctx), nil })
	return []frame.Page{c.servicesPage(), c.webhookPage(), c.clusterPage(), c.doctorPage()}
}

// Changed has the services asked again: one of them was stopped or resumed.
func (c *Services) Changed() { c.parts.Forget() }

// servicesPage shows how the parts of the server and what it depends on are doing, and stops and resumes its own.
func (c *Services) servicesPage() frame.Page {
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
func (c *Services) services() []admin.Service {
	all, _, _ := c.parts.Get()
	return all
}

// servicesDown counts services that are down without having been stopped, and services that somebody stopped.
func (c *Services) servicesDown() int {
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

func (c *Services) servicesData() servicesData {
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

func (c *Services) servicesView(v *frame.Visit) error { return v.Render("services", c.servicesData()) }

// servicesPart renders the tables for scripts that put them into the page.
func (c *Services) servicesPart(v *frame.Visit) error {
	return v.Partial("services", "parts", v.Bare(c.servicesData()))
}

// setService stops or resumes a service.
func (c *Services) setService(v *frame.Visit) error {
	name, run := v.R.PostForm.Get("name"), v.R.PostForm.Get("run")
	if run != "yes" && run != "no" {
		return &frame.Fault{Status: http.StatusBadRequest, What: "The form does not say whether to stop or to resume.",
			Next: "Go back and load the page again."}
	}
	err := c.Admin.SetService(v.R.Context(), name, run == "yes")
	c.Changed()
	if err != nil {
		return err
	}
	notice := mailview.Printable(name) + " goes on."
	if run == "no" {
		notice = mailview.Printable(name) + " is stopped until somebody resumes it."
	}
	return v.Redirect("/services", notice)
}
