package sheets

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/internal/human"
)

// namesPage gives local addresses the names that they greet with, and labels for people.
func (c *Sheets) namesPage() frame.Page {
	return frame.Page{Path: "/names", Title: "MTA names", Group: frame.SetUp,
		Routes: c.routes(map[string]view{"GET /names": listNames, "POST /names": storeName})}
}

type namesData struct {
	Rows         []nameLine
	New          nameLine
	Search, Down string
	Hostname     string
	Total        int
	Shown        int
}

// nameLine is an address with what it is called.
type nameLine struct {
	IP, Name, Label string
	Error, Problem  string // beside the address, beside the name
}

func listNames(v *visit) error {
	return showNames(v, &namesData{}, http.StatusOK)
}

func showNames(v *visit, d *namesData, status int) error {
	d.Hostname = v.c.Hostname
	d.Search = strings.TrimSpace(human.Cut(v.R.URL.Query().Get("q"), 255))
	if v.c.Settings == nil || v.c.Settings.State().Err != nil {
		d.Down = "Nothing can be changed now: the settings database cannot be reached. What you see are the settings in force."
	}
	all := v.c.names()
	typed := d.Rows
	d.Rows = nil
	for _, line := range all {
		if d.Search != "" && !strings.Contains(strings.ToLower(line.IP+" "+line.Name+" "+line.Label),
			strings.ToLower(d.Search)) {
			continue
		}
		d.Total++
		for _, t := range typed {
			if t.IP == line.IP {
				line = t
			}
		}
		if len(d.Rows) < 150 {
			d.Rows = append(d.Rows, line)
		}
	}
	d.Shown = len(d.Rows)
	return v.RenderStatus(status, "names", d)
}

// names are all addresses that have a name or a label, or could have one.
func (c *Sheets) names() []nameLine {
	known := map[string]*nameLine{}
	at := func(ip string) *nameLine {
		if parsed, err := netip.ParseAddr(ip); err == nil {
			ip = parsed.Unmap().String()
		}
		if known[ip] == nil {
			known[ip] = &nameLine{IP: ip}
		}
		return known[ip]
	}
	rows := c.Settings.Current().Rows
	for _, ip := range c.Addresses() {
		at(ip)
	}
	for _, e := range rows.ExternalMTAs {
		at(e.PublicIP)
	}
	for _, r := range rows.MTANames {
		at(r.LocalIP).Name = r.Name
	}
	for _, r := range rows.MTALabels {
		at(r.LocalIP).Label = r.Label
	}
	var all []nameLine
	for _, line := range known {
		all = append(all, *line)
	}
	slices.SortFunc(all, func(a, b nameLine) int {
		x, _ := netip.ParseAddr(a.IP)
		y, _ := netip.ParseAddr(b.IP)
		if n := x.Compare(y); n != 0 {
			return n
		}
		return strings.Compare(a.IP, b.IP)
	})
	return all
}

// storeName saves name and label of an address; what is empty is removed.
func storeName(v *visit) error {
	form := v.R.PostForm
	line := nameLine{IP: strings.TrimSpace(form.Get("ip")), Name: strings.TrimSpace(form.Get("name")),
		Label: strings.TrimSpace(form.Get("label"))}
	ip, err := netip.ParseAddr(line.IP)
	if err != nil {
		line.Error = "Expected an IP address, not “" + human.Cut(line.IP, 80) + "”."
		return showNames(v, &namesData{New: line}, http.StatusBadRequest)
	}
	line.IP = ip.Unmap().String()
	for _, part := range []struct {
		table         settings.TableName
		column, value string
	}{{settings.TableMTANames, "name", line.Name}, {settings.TableMTALabels, "label", line.Label}} {
		if err := putOrDelete(v, part.table, line.IP, part.column, part.value); err != nil {
			if wrong, ok := errors.AsType[*admin.Invalid](err); ok {
				line.Problem = human.Capital(part.column) + ": expected " + wrong.Problems[0].Expected + "."
				d := &namesData{Rows: []nameLine{line}}
				if form.Get("new") != "" {
					d = &namesData{New: line}
				}
				return showNames(v, d, http.StatusBadRequest)
			}
			return err
		}
	}
	return v.Redirect("/names", line.IP+" "+
		either(line.Name != "", "greets as "+human.Cut(line.Name, 100)+".", "greets with the server's own name."))
}

func putOrDelete(v *visit, table settings.TableName, ip, column, value string) error {
	a := v.c.Admin
	if value == "" {
		_, err := a.DeleteWhere(v.R.Context(), table, admin.Values{"localip": ip})
		return err
	}
	_, _, err := a.Put(v.R.Context(), table, admin.Values{"localip": ip, column: value})
	return err
}
