package ctl

import (
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/dustin/go-humanize"
)

type (
	statsCommand struct {
		By     string `enum:",domains,mtas,tags" default:"" help:"One line for each of domains, mtas or tags."`
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
	"parked",
	"connects", "connect-failed", "received", "refused", "clients", "unwelcome", "bytes-out", "bytes-in"}

func (c *statsCommand) Run(s *session) error {
	if c.By != "" {
		return s.statsBy(c.By)
	}
	query := url.Values{}
	for name, v := range map[string]string{"mta": c.MTA, "domain": c.Domain, "tag": c.Tag} {
		if v != "" {
			query.Set(name, v)
		}
	}
	data, err := s.ask("GET", "/v1/stats?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	if s.grammar.JSON {
		return s.raw(data)
	}
	var figures struct{ Sum, Now map[string]int64 }
	if err := json.Unmarshal(data, &figures); err != nil {
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
	data, err := s.ask("GET", "/v1/stats/"+kind, nil)
	if err != nil {
		return err
	}
	if s.grammar.JSON {
		return s.raw(data)
	}
	var rows []struct {
		Name     string
		Other    bool
		Sum, Now map[string]int64
	}
	if err := json.Unmarshal(data, &rows); err != nil {
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
	query := url.Values{}
	if c.Domain != "" {
		query.Set("domain", c.Domain)
	}
	if c.IP != "" {
		query.Set("ip", c.IP)
	}
	data, err := s.ask("GET", "/v1/explain?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	if s.grammar.JSON {
		return s.raw(data)
	}
	var paths []struct {
		Source, Site                        string
		Ready, Parked, Open, Starting, Idle int
		LastError                           string `json:"last-error"`
		Offline                             string
		Limits, Binding, Floods             []map[string]any
		Schedule                            map[string]any
	}
	if err := json.Unmarshal(data, &paths); err != nil {
		return err
	}
	for _, p := range paths {
		source := p.Source
		if source == "" {
			source = "(any address)"
		}
		fmt.Fprintf(s.out, "%s to %s: %d in memory, %d domains parked, %d connections open (%d idle), %d starting\n",
			source, printable(p.Site), p.Ready, p.Parked, p.Open, p.Idle, p.Starting)
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
	data, err := s.ask("GET", "/v1/floods", nil)
	if err != nil {
		return err
	}
	return s.printRows(data, "name", "source", "site", "phase", "since", "until", "end", "text")
}

func (servicesCommand) Run(s *session) error {
	data, err := s.ask("GET", "/v1/services", nil)
	if err != nil {
		return err
	}
	return s.printRows(data, "name", "up", "since", "detail")
}
