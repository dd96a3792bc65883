package ctl

import (
	"cmp"
	"fmt"

	"github.com/dustin/go-humanize"
)

type (
	statsCommand struct {
		By     string `enum:",domains,mtas,tags,classes" default:"" help:"A line for each of domains, mtas, tags or classes."`
		MTA    string `name:"mta" help:"Source address."`
		Domain string `help:"Recipient domain."`
		Tag    string `help:"Tag."`
	}
	explainCommand struct {
		Domain string `arg:"" optional:"" help:"Recipient domain; without it: all paths in use."`
		IP     string `name:"ip" help:"Source address."`
	}
	floodsCommand   struct{}
	servicesCommand struct{}
)

// counters are shown in this order.
var counters = []string{"processed", "attempts", "delivered", "retried", "errors", "not-tried", "strange", "reassigned",
	"parked", "connects", "connect-failed", "received", "refused", "clients", "unwelcome", "bytes-out", "bytes-in"}

func (c *statsCommand) Run(s *session) error {
	if c.By != "" {
		return s.statsBy(c.By)
	}
	var figures struct{ Sum, Now map[string]int64 }
	path := address("/v1/stats", given(map[string]string{"mta": c.MTA, "domain": c.Domain, "tag": c.Tag}))
	if done, err := s.read("GET", path, nil, &figures); done {
		return err
	}
	t := s.table()
	fmt.Fprintln(t, "LAST 60 SECONDS\t\tPER SECOND\t")
	for _, name := range counters {
		n := figures.Sum[name]
		fmt.Fprintf(t, "%s\t%s\t%s\t\n", name, quantity(name, float64(n)), humanize.FtoaWithDigits(float64(n)/60, 1))
	}
	fmt.Fprintln(t, "NOW\t\t\t")
	for _, name := range []string{"in-memory", "starting", "active", "idle", "clients"} {
		fmt.Fprintf(t, "%s\t%s\t\t\n", name, humanize.Comma(figures.Now[name]))
	}
	return t.Flush()
}

func (s *session) statsBy(kind string) error {
	var rows []struct {
		Name     string
		Other    bool
		Sum, Now map[string]int64
	}
	if done, err := s.read("GET", "/v1/stats/"+kind, nil, &rows); done {
		return err
	}
	t := s.table()
	fmt.Fprintln(t, "NAME\tIN MEMORY\tCONNECTIONS\tATTEMPTS\tDELIVERED\tRETRIED\tERRORS\tNOT TRIED\t")
	for _, r := range rows {
		if r.Other {
			r.Name = "(others)"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t", printable(r.Name), humanize.Comma(r.Now["in-memory"]),
			humanize.Comma(r.Now["active"]+r.Now["idle"]+r.Now["starting"]))
		for _, name := range []string{"attempts", "delivered", "retried", "errors", "not-tried"} {
			fmt.Fprintf(t, "%s\t", humanize.Comma(r.Sum[name]))
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

func (c *explainCommand) Run(s *session) error {
	var paths []struct {
		Source, Site                        string
		Ready, Parked, Open, Starting, Idle int
		LastError                           string `json:"last-error"`
		Offline                             string
		Limits, Binding, Floods             []map[string]any
		Schedule                            map[string]any
	}
	path := address("/v1/explain", given(map[string]string{"domain": c.Domain, "ip": c.IP}))
	if done, err := s.read("GET", path, nil, &paths); done {
		return err
	}
	for _, p := range paths {
		fmt.Fprintf(s.out, "%s to %s: %d in memory, %d domains parked, %d connections open (%d idle), %d starting\n",
			cmp.Or(p.Source, "(any address)"), printable(p.Site), p.Ready, p.Parked, p.Open, p.Idle, p.Starting)
		if p.LastError != "" {
			fmt.Fprintf(s.out, "  last error: %s\n", printable(p.LastError))
		}
		if p.Offline != "" {
			fmt.Fprintf(s.out, "  left alone until %s\n", p.Offline)
		}
		for _, b := range p.Binding {
			fmt.Fprintf(s.out, "  HELD by %v (%v) until %v\n", b["limit"], orDash(b["rule"]), orDash(b["until"]))
		}
		for _, f := range p.Floods {
			fmt.Fprintf(s.out, "  FLOOD %v: %v until %v: %v\n", f["name"], f["phase"], f["until"], orDash(f["text"]))
		}
		if p.Schedule != nil {
			fmt.Fprintf(s.out, "  schedule %v: day %v of %v\n", p.Schedule["schedule"], p.Schedule["day"],
				p.Schedule["last-day"])
		}
		t := s.table()
		for _, l := range p.Limits {
			fmt.Fprintf(t, "  %v\t%s\t%v\t%v\t\n", l["limit"], cell("", l["value"]), orDash(l["unit"]), orDash(l["rule"]))
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	if len(paths) == 0 {
		fmt.Fprintln(s.out, "no mail is on its way there")
	}
	return nil
}

func orDash(v any) any {
	if v == nil || v == "" {
		return "-"
	}
	return cell("", v)
}

func (floodsCommand) Run(s *session) error {
	return s.rows("/v1/floods", "name", "source", "site", "phase", "since", "until", "end", "text")
}

func (servicesCommand) Run(s *session) error {
	return s.rows("/v1/services", "name", "up", "since", "detail")
}
