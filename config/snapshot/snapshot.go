package snapshot

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/delivery/rules"
	"github.com/sluicemail/sluice/smtpin/enqueue"
)

// Snapshot is the settings as they were at one moment. It is shared: nobody changes it.
type Snapshot struct {
	// Locals are the addresses whose mail is accepted from anybody.
	Locals *enqueue.Locals
	// Blocklist is who may not connect or send.
	Blocklist *enqueue.Blocklist
	// Suppressions are the recipients that get no mail.
	Suppressions *rules.Suppressions
	// Names are what local addresses are called in greetings and EHLO.
	Names map[netip.Addr]string

	// Rows are the plain rows that all of this was made of.
	Rows *settings.Rows
	// Broken are the rows left out, those that could not be read as well as those that make no sense.
	Broken []settings.Broken
	// Loaded is when the rows were read from the database.
	Loaded time.Time
	// FromCache says that the database was down and the rows are those of an earlier run.
	FromCache bool
}

// Name returns the name of a local address, or "".
func (s *Snapshot) Name(local netip.Addr) string { return s.Names[local.Unmap().WithZone("")] }

// Compile makes a snapshot of rows. What cannot be used of them is in Broken.
func Compile(rows *settings.Rows) *Snapshot {
	s := &Snapshot{
		Locals:       &enqueue.Locals{},
		Blocklist:    &enqueue.Blocklist{},
		Suppressions: &rules.Suppressions{},
		Names:        make(map[netip.Addr]string, len(rows.MTANames)),
		Rows:         rows,
		Broken:       append([]settings.Broken(nil), rows.Broken...),
	}
	for _, r := range rows.Locals {
		if r.Enabled {
			s.check("locals", r.ID, s.Locals.Add(r.Type, r.Address))
		}
	}
	for _, r := range rows.Blocklist {
		if r.Enabled {
			s.check("blocklist", r.ID, s.Blocklist.Add(r.Value, int(r.Code), r.Description))
		}
	}
	s.Suppressions.Reserve(len(rows.Suppressions))
	for _, r := range rows.Suppressions {
		if r.Enabled {
			why := rules.Suppression{Code: int(r.Code), Status: r.Extended, Description: r.Description}
			s.check("suppressions", r.ID, s.Suppressions.Add(r.Value, r.Type, why))
		}
	}
	for _, r := range rows.MTANames {
		s.check("mtanames", r.ID, s.addName(r))
	}
	return s
}

func (s *Snapshot) addName(r settings.MTAName) error {
	ip, err := netip.ParseAddr(strings.TrimSpace(r.LocalIP))
	if err != nil {
		return fmt.Errorf("localip %q: expected an IP address", r.LocalIP)
	}
	name := strings.TrimSpace(r.Name)
	if name == "" || strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return fmt.Errorf("name %q: expected a host name", r.Name)
	}
	s.Names[ip.Unmap()] = name
	return nil
}

// maxBroken bounds the rows told about.
const maxBroken = 10000

func (s *Snapshot) check(table string, id int64, err error) {
	if err != nil && len(s.Broken) < maxBroken {
		s.Broken = append(s.Broken, settings.Broken{Table: table, ID: id, Reason: err.Error()})
	}
}
