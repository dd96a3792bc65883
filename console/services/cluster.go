package services

import (
	"net/netip"
	"net/url"
	"time"

	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/console/mailview"
	"github.com/sluicemail/sluice/internal/human"
)

// Instance is another server of the cluster.
type Instance struct {
	Host   string
	URL    string // of its console; "": not known
	IPs    []netip.Addr
	Outbox string // the queue it reads; "": no queue that others can publish to
	Seen   time.Time
}

// clusterPage leads to the consoles of the other instances.
func (c *Services) clusterPage() frame.Page {
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

func (c *Services) clusterView(v *frame.Visit) error {
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
