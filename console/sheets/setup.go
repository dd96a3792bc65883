package sheets

import (
	"cmp"
	"net"
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/internal/human"
)

// setUpSheets are the settings that say what the server has and knows.
func setUpSheets() []*sheet {
	return []*sheet{pools(), externalMTAs(), dkimKeys(), locals(), dnsOverrides(), blockList(), feedbackSenders(), routes()}
}

func pools() *sheet {
	return &sheet{
		path: "/pools", title: "IP pools", group: frame.SetUp, table: settings.TablePools, one: "pool", add: "Add a pool", fixed: "name",
		about:   "Named groups of addresses that mail may leave from. An address belongs to one pool.",
		empty:   "There are no pools. Messages and rules can name a pool instead of its addresses.",
		columns: []listColumn{{title: "Pool", key: "name"}, {title: "Addresses", cell: membersCell}, {title: "Description", key: "description"}},
		groups:  []fieldGroup{{fields: []string{"name", "description"}}},
		subs: []subsheet{{table: settings.TablePoolIPs, parent: "pool", byName: true, moves: true, title: "Addresses", one: "address", asks: "its addresses",
			about: "adding one that is in another pool moves it here", empty: "It has no address yet: mail for it cannot leave.", columns: []string{"ip"}}},
		drop: func(v *visit, r *admin.Row) error {
			_, err := v.c.Admin.DeleteResource(v.R.Context(), "pools", admin.Values{"name": r.Values["name"]})
			return err
		},
		fill: func(v *visit, d *rowData) {
			if d.ID != 0 {
				d.Facts = usesOf(v, text(d.row, "name"))
			}
		},
	}
}

// usesOf counts the rules that name a pool.
func usesOf(v *visit, pool string) []fact {
	var all []fact
	for _, s := range []*sheet{throttles(), schedules(), pauses(), forcedErrors(), rewrites(), responses()} {
		table := s.table
		switch table {
		case settings.TableCapacity:
			table = settings.TableCapacityRules
		case settings.TableSchedules:
			table = settings.TableScheduleRules
		}
		list, _, err := rows(v.R.Context(), v.c.Admin, table, admin.Query{Where: admin.Values{"pool": pool}, Limit: 1})
		if err == nil && list.Total > 0 {
			all = append(all, fact{s.title, human.Plural(list.Total, "rule") + " " + human.Pick(list.Total, "names", "name") + " this pool"})
		}
	}
	return all
}

func externalMTAs() *sheet {
	return &sheet{
		path: "/external-mtas", title: "External MTAs", group: frame.SetUp, table: settings.TableExternalMTAs, one: "external MTA", add: "Add an external MTA",
		about: "Public addresses that this server sends from through another machine.",
		empty: "There are none. An external MTA is an address on another machine that mail can leave from, by NAT or through a proxy.",
		columns: []listColumn{{title: "Public address", key: "public_ip"}, {title: "From", key: "local_ip"}, {title: "Through", key: "connect_ip", cell: func(_ *Sheets, r *admin.Row) cell {
			return cell{Text: net.JoinHostPort(text(r.Values, "connect_ip"), strconv.FormatInt(number(r.Values, "connect_port"), 10))}
		}}, {title: "Protocol", key: "protocol", cell: func(_ *Sheets, r *admin.Row) cell { return cell{Text: cmp.Or(text(r.Values, "protocol"), "nat")} }}},
		groups: []fieldGroup{{fields: []string{"public_ip", "local_ip"}}, {title: "Through", fields: []string{"protocol", "connect_ip", "connect_port"}}},
		named:  func(values admin.Values) string { return text(values, "public_ip") },
	}
}

func locals() *sheet {
	return &sheet{
		path: "/locals", title: "Local addresses", group: frame.SetUp, table: settings.TableLocals, one: "local address", add: "Add local addresses",
		about:   "Recipients whose mail is accepted from anybody, without a login.",
		empty:   "There are none: mail is accepted from those who may relay only. Addresses for bounces and feedback loops belong here.",
		columns: []listColumn{{title: "Addresses", key: "address"}, {title: "A recipient", key: "type", cell: func(_ *Sheets, r *admin.Row) cell { return cell{Text: choiceWords(text(r.Values, "type"))} }}},
		groups:  []fieldGroup{{fields: []string{"type", "address"}}},
		named:   func(values admin.Values) string { return text(values, "address") },
		try: &tryOut{label: "Try this pattern", hint: "an address", sample: "bounces@example.com",
			match: matcher(func(c *Sheets) func(typ, pattern, with string) (bool, error) { return c.Tools.Text })},
	}
}

func dnsOverrides() *sheet {
	return &sheet{
		path: "/dns", title: "DNS overrides", group: frame.SetUp, table: settings.TableDNS, one: "override", add: "Add an override",
		about:   "Addresses of hosts that count instead of those in the DNS.",
		empty:   "There are none. An override gives a host another address, for a test or while its DNS is broken.",
		columns: []listColumn{{title: "Host", key: "hostname"}, {title: "Address", key: "ip"}},
		groups:  []fieldGroup{{fields: []string{"hostname", "ip"}}},
		named:   func(values admin.Values) string { return text(values, "hostname") },
	}
}

func feedbackSenders() *sheet {
	return &sheet{
		path: "/feedback-senders", title: "Feedback senders", group: frame.SetUp, table: settings.TableFeedbackSenders, one: "sender", add: "Add a sender",
		about:   "Feedback loops whose complaints count, where DKIM or SPF passes for them.",
		empty:   "There are none: complaints are shown, and nobody is suppressed because of them. Providers tell the domain that their complaints come from.",
		columns: []listColumn{{title: "Domain", key: "domain"}, {title: "Description", key: "description"}},
		groups:  []fieldGroup{{fields: []string{"domain", "description"}}},
		named:   func(values admin.Values) string { return text(values, "domain") },
	}
}

func blockList() *sheet {
	return &sheet{
		path: "/blocklist", title: "Incoming block list", group: frame.SetUp, table: settings.TableBlocklist, one: "block", add: "Block a client or sender",
		about:   "Clients that may not connect, and senders whose mail is refused.",
		empty:   "Nobody is blocked. An entry is an address or range of clients, or a sender's address or domain.",
		columns: []listColumn{{title: "Who", key: "value"}, {title: "Is told", key: "code", cell: blockedCell}},
		groups:  []fieldGroup{{fields: []string{"value"}}, {title: "What it is told", fields: []string{"code", "description"}}},
		named:   func(values admin.Values) string { return text(values, "value") },
	}
}

func blockedCell(_ *Sheets, r *admin.Row) cell {
	code := number(r.Values, "code")
	if code == 0 {
		code = 554
	}
	return textCell(strings.TrimSpace(strconv.FormatInt(code, 10) + " " + text(r.Values, "description")))
}

func routes() *sheet {
	return &sheet{
		path: "/routes", title: "Routes", group: frame.SetUp, table: settings.TableRoutes, one: "route", add: "Add a route",
		about:   "Domains whose mail goes to a relay. The most specific route counts; those of this table come before those of the file.",
		empty:   "There are none in the settings. A route sends the mail of a domain to a certain host instead of by its MX records.",
		columns: []listColumn{{title: "Domain", key: "domain"}, {title: "Relay", key: "relay", cell: relayCell}},
		groups:  []fieldGroup{{fields: []string{"domain", "relay", "port"}}},
		named:   func(values admin.Values) string { return cmp.Or(text(values, "domain"), "every other domain") },
		with:    fileRoutes,
	}
}

func relayCell(_ *Sheets, r *admin.Row) cell {
	return textCell(relayWords(text(r.Values, "relay"), number(r.Values, "port")))
}

func relayWords(relay string, port int64) string {
	switch {
	case relay == "":
		return "by MX"
	case strings.Contains(relay, "://"):
		return relay
	case port == 0:
		port = 25
	}
	return net.JoinHostPort(relay, strconv.FormatInt(port, 10))
}

// routeLine is a route of the file.
type routeLine struct{ Domain, Relay string }

// fileRoutes shows what the file of smtp-routes says.
func fileRoutes(v *visit, d *rowsData) {
	d.OthersFrom = v.c.Tools.RoutesFile
	if v.c.Tools.Routes == nil {
		return
	}
	all, err := v.c.Tools.Routes()
	if err != nil {
		d.OthersError = human.Cut(err.Error(), 300)
	}
	const most = 200
	for _, r := range all[:min(len(all), most)] {
		d.Others = append(d.Others, routeLine{cmp.Or(human.Cut(r.Domain, 255), "every other"), human.Cut(relayWords(r.Relay, r.Port), 255)})
	}
}
