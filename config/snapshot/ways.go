package snapshot

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/delivery/external"
	"github.com/sluicemail/sluice/delivery/mx"
	"github.com/sluicemail/sluice/delivery/sign"
	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/queue"
)

// keys compiles the keys that sign mail.
func (w *work) keys() {
	before, now := w.before.Rows, w.rows
	if w.taken(keyPart, all(equal(before.DKIMKeys, &now.DKIMKeys), equal(before.DKIMPatterns, &now.DKIMPatterns))) {
		w.s.Keys = w.before.Keys
		return
	}
	place := make(map[int64]int)
	var specs []sign.Spec
	var ids []int64
	for _, r := range now.DKIMKeys {
		if place[r.ID] = -1; !r.Enabled {
			continue
		}
		place[r.ID] = len(specs)
		ids = append(ids, r.ID)
		specs = append(specs, sign.Spec{
			Name: fmt.Sprintf("dkim_keys %d", r.ID),
			Key: queue.DKIM{Domain: r.Domain, Selector: r.Selector, Key: string(r.PrivateKey), Headers: []string{r.Headers},
				Protocols: []string{r.Protocols}, Canonicalization: r.Canonicalization, Report: r.Report,
				Priority: int(min(max(r.Priority, -1<<30), 1<<30))},
			Expires:  r.Expire,
			CheckDNS: r.CheckDNS,
		})
	}
	for _, r := range now.DKIMPatterns {
		i, known := place[r.DKIMKey]
		switch {
		case !known:
			w.check(keyPart, settings.TableDKIMPatterns, r.ID, missing("dkim_key", r.DKIMKey, "DKIM key"))
		case i >= 0:
			specs[i].Patterns = append(specs[i].Patterns, sign.Pattern{ID: r.ID, Type: r.Type, Text: r.Sign})
		}
	}
	keys, problems := sign.Compile(specs, w.Parsed)
	for _, err := range problems {
		var p *sign.Problem
		switch {
		case !errors.As(err, &p):
		case p.Pattern != nil:
			w.check(keyPart, settings.TableDKIMPatterns, p.Pattern.ID, p.Err)
		default:
			w.check(keyPart, settings.TableDKIMKeys, ids[p.Key], p.Err)
		}
	}
	w.s.Keys = keys
}

// external compiles the public addresses that are reached through another machine.
func (w *work) external() {
	if w.taken(externalPart, equal(w.before.Rows.ExternalMTAs, &w.rows.ExternalMTAs)) {
		w.s.External = w.before.External
		return
	}
	var rows []external.Row
	for _, r := range w.rows.ExternalMTAs {
		if r.Enabled {
			rows = append(rows, external.Row{ID: r.ID, PublicIP: r.PublicIP, LocalIP: r.LocalIP, ConnectIP: r.ConnectIP,
				ConnectPort: r.ConnectPort, Protocol: r.Protocol})
		}
	}
	table, problems := external.Compile(rows)
	for _, p := range problems {
		w.check(externalPart, settings.TableName(p.Table), p.ID, p.Err)
	}
	w.s.External = table
}

// routes compiles the domains whose mail goes to a relay.
func (w *work) routes() {
	if w.taken(routePart, equal(w.before.Rows.Routes, &w.rows.Routes)) {
		w.s.Routes = w.before.Routes
		return
	}
	for _, r := range w.rows.Routes {
		if !r.Enabled {
			continue
		}
		relay, err := mx.NewRelay(r.Relay, r.Port)
		if err == nil {
			if w.s.Routes == nil {
				w.s.Routes = &mx.Routes{}
			}
			domain := strings.TrimSpace(r.Domain)
			if domain == "*" {
				domain = ""
			}
			err = w.s.Routes.Add(domain, relay)
		}
		w.check(routePart, settings.TableRoutes, r.ID, err)
	}
}

// dns compiles the addresses that override those in DNS.
func (w *work) dns() {
	if w.taken(dnsPart, equal(w.before.Rows.DNS, &w.rows.DNS)) {
		w.s.DNS = w.before.DNS
		return
	}
	for _, r := range w.rows.DNS {
		if !r.Enabled {
			continue
		}
		host := addr.Fold(strings.TrimSuffix(strings.TrimSpace(r.Hostname), "."))
		if !addr.ValidDomain(host, addr.Loose) || strings.HasPrefix(host, "[") {
			w.check(dnsPart, settings.TableDNS, r.ID, fmt.Errorf("hostname %q: expected a host name", r.Hostname))
			continue
		}
		ip, err := address("ip", r.IP)
		if !w.check(dnsPart, settings.TableDNS, r.ID, err) {
			continue
		}
		if w.s.DNS == nil {
			w.s.DNS = &Hosts{addresses: make(map[string][]netip.Addr)}
		}
		w.s.DNS.addresses[host] = append(w.s.DNS.addresses[host], ip)
	}
}
