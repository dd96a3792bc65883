package snapshot

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/delivery/rules"
	"github.com/sluicemail/sluice/delivery/sign"
	"github.com/sluicemail/sluice/smtpin/enqueue"
)

// Compiler makes snapshots. The zero Compiler makes those of an instance with server-id 0. Its fields must not be
// changed once it is in use.
type Compiler struct {
	// Instance is the server-id: rows that are not for the cluster count when they are for this one.
	Instance int64
	// DefaultIPs are the addresses from which messages leave that name none; see rules.Config.
	DefaultIPs []string
	// SuppressionKey is that of suppressions with a keyed hash. "": they match nobody.
	SuppressionKey string
	// Parsed keeps private keys from snapshot to snapshot. Nil: each snapshot parses its own.
	Parsed *sign.KeyCache
	// Counters go on counting from snapshot to snapshot. Nil: each snapshot begins at zero.
	Counters *rules.Counters
}

// Compile makes a snapshot of rows. What cannot be used of them is in Broken.
func Compile(rows *settings.Rows) *Snapshot { return new(Compiler).Compile(rows, nil, nil) }

// Compile makes a snapshot of rows, with pauses beside those of the table. Of before, which may be nil and else was
// made by the same Compiler, it takes over whatever is still as the rows say. The rows of a large table that has not
// changed become those of before, so that they are in memory once.
func (c *Compiler) Compile(rows *settings.Rows, started []rules.Pause, before *Snapshot) *Snapshot {
	w := &work{Compiler: c, rows: rows, before: before, s: &Snapshot{Rows: rows, started: started}}
	if w.same = before != nil; before == nil {
		w.before = &Snapshot{Rows: &settings.Rows{}}
	}
	w.locals()
	w.blocklist()
	w.names()
	w.labels()
	w.suppressions()
	w.steering()
	w.throttles() // after steering, which knows the pools
	w.keys()
	w.external()
	w.routes()
	w.dns()
	w.tokens()
	w.s.Broken = slices.Clone(rows.Broken)
	for _, found := range w.s.broken {
		w.s.Broken = append(w.s.Broken, found...)
	}
	return w.s
}

// part is something that is compiled on its own, and taken over when its rows are the same as before.
type part int

const (
	localPart part = iota
	blockPart
	namePart
	labelPart
	suppressionPart
	steeringPart
	throttlePart
	keyPart
	externalPart
	routePart
	dnsPart
	tokenPart
	parts
)

// work is one snapshot being made.
type work struct {
	*Compiler
	rows   *settings.Rows
	before *Snapshot // never nil
	same   bool      // before is a snapshot
	s      *Snapshot
}

// taken reports whether a part is as before, given that its rows are, and takes over what was found broken then.
func (w *work) taken(p part, same bool) bool {
	if w.same && same {
		w.s.broken[p] = w.before.broken[p]
		return true
	}
	return false
}

// maxBroken bounds the rows told about, for each part.
const maxBroken = 10000

// check notes a row that is left out; nothing when err is nil.
func (w *work) check(p part, table settings.TableName, id int64, err error) bool {
	if err != nil && len(w.s.broken[p]) < maxBroken {
		w.s.broken[p] = append(w.s.broken[p], settings.Broken{Table: table, ID: id, Reason: err.Error()})
	}
	return err == nil
}

// equal compares tables. It takes the rows of before when they are the same, for the comparison next time is cheap
// then, and memory is saved.
func equal[T comparable](before []T, now *[]T) bool {
	if len(before) != len(*now) {
		return false
	}
	if len(before) == 0 || &before[0] == &(*now)[0] {
		return true
	}
	if !slices.Equal(before, *now) {
		return false
	}
	*now = before
	return true
}

func (w *work) locals() {
	if w.taken(localPart, equal(w.before.Rows.Locals, &w.rows.Locals)) {
		w.s.Locals = w.before.Locals
		return
	}
	w.s.Locals = &enqueue.Locals{}
	for _, r := range w.rows.Locals {
		if r.Enabled {
			w.check(localPart, settings.TableLocals, r.ID, w.s.Locals.Add(r.Type, r.Address))
		}
	}
}

func (w *work) blocklist() {
	if w.taken(blockPart, equal(w.before.Rows.Blocklist, &w.rows.Blocklist)) {
		w.s.Blocklist = w.before.Blocklist
		return
	}
	w.s.Blocklist = &enqueue.Blocklist{}
	for _, r := range w.rows.Blocklist {
		if r.Enabled {
			w.check(blockPart, settings.TableBlocklist, r.ID, w.s.Blocklist.Add(r.Value, int(r.Code), r.Description))
		}
	}
}

func (w *work) suppressions() {
	if w.taken(suppressionPart, equal(w.before.Rows.Suppressions, &w.rows.Suppressions)) {
		w.s.Suppressions = w.before.Suppressions
		return
	}
	if w.same && w.deriveSuppressions() {
		return
	}
	w.s.broken[suppressionPart] = nil
	w.s.Suppressions = &rules.Suppressions{Key: w.SuppressionKey}
	w.s.Suppressions.Reserve(len(w.rows.Suppressions))
	for i := range w.rows.Suppressions {
		w.suppress(&w.rows.Suppressions[i])
	}
}

func (w *work) suppress(r *settings.Suppression) {
	if r.Enabled {
		why := rules.Suppression{Code: int(r.Code), Status: r.Extended, Description: r.Description}
		w.check(suppressionPart, settings.TableSuppressions, r.ID, w.s.Suppressions.Add(r.Value, r.Type, why))
	}
}

// deriveSuppressions makes the list from that of before; false when too much is different.
func (w *work) deriveSuppressions() bool {
	broken := w.before.broken[suppressionPart]
	gone, added, few := differences(w.before.Rows.Suppressions, w.rows.Suppressions)
	if !few || len(broken) >= maxBroken {
		return false
	}
	if w.s.Suppressions = w.before.Suppressions.Derive(); w.s.Suppressions == nil {
		return false
	}
	isBroken := func(id int64) bool {
		return slices.ContainsFunc(broken, func(b settings.Broken) bool { return b.ID == id })
	}
	for _, r := range gone {
		if r.Enabled && !isBroken(r.ID) && !w.s.Suppressions.Remove(r.Value, r.Type) {
			return false
		}
	}
	w.s.broken[suppressionPart] = slices.DeleteFunc(slices.Clone(broken), func(b settings.Broken) bool {
		return slices.ContainsFunc(gone, func(r *settings.Suppression) bool { return r.ID == b.ID })
	})
	for _, r := range added {
		w.suppress(r)
	}
	return true
}

// differences returns the rows that are only in the one or only in the other of two tables, which are sorted by id; few
// is false when they are many.
func differences(before, now []settings.Suppression) (gone, added []*settings.Suppression, few bool) {
	const most = 1000
	for len(before) > 0 || len(now) > 0 {
		switch {
		case len(gone)+len(added) > most:
			return nil, nil, false
		case len(now) == 0 || len(before) > 0 && before[0].ID < now[0].ID:
			gone, before = append(gone, &before[0]), before[1:]
		case len(before) == 0 || now[0].ID < before[0].ID:
			added, now = append(added, &now[0]), now[1:]
		default:
			if before[0] != now[0] {
				gone, added = append(gone, &before[0]), append(added, &now[0])
			}
			before, now = before[1:], now[1:]
		}
	}
	return gone, added, true
}

func (w *work) names() {
	if w.taken(namePart, equal(w.before.Rows.MTANames, &w.rows.MTANames)) {
		w.s.Names = w.before.Names
		return
	}
	w.s.Names = make(map[netip.Addr]string, len(w.rows.MTANames))
	for _, r := range w.rows.MTANames {
		name := strings.TrimSpace(r.Name)
		if name == "" || strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
			w.check(namePart, settings.TableMTANames, r.ID, fmt.Errorf("name %q: expected a host name", r.Name))
			continue
		}
		if ip, err := address("localip", r.LocalIP); w.check(namePart, settings.TableMTANames, r.ID, err) {
			w.s.Names[ip] = name
		}
	}
}

func (w *work) labels() {
	if w.taken(labelPart, equal(w.before.Rows.MTALabels, &w.rows.MTALabels)) {
		w.s.Labels = w.before.Labels
		return
	}
	w.s.Labels = make(map[netip.Addr]string, len(w.rows.MTALabels))
	for _, r := range w.rows.MTALabels {
		if ip, err := address("localip", r.LocalIP); w.check(labelPart, settings.TableMTALabels, r.ID, err) {
			w.s.Labels[ip] = r.Label
		}
	}
}

func (w *work) tokens() {
	if w.taken(tokenPart, equal(w.before.Rows.Tokens, &w.rows.Tokens)) {
		w.s.Tokens = w.before.Tokens
		return
	}
	w.s.Tokens = &Tokens{}
	for _, r := range w.rows.Tokens {
		if r.Enabled {
			w.s.Tokens.add(r)
		}
	}
}

// address reads the address in a column.
func address(column, text string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(strings.TrimSpace(text))
	if err != nil || ip.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%s %q: expected an IP address", column, text)
	}
	return ip.Unmap(), nil
}

// anyAddress reads the address in a column of a selection, where nothing and "*" mean all: the zero Addr.
func anyAddress(column, text string) (netip.Addr, error) {
	if text = strings.TrimSpace(text); text == "" || text == "*" {
		return netip.Addr{}, nil
	}
	return address(column, text)
}

// missing is the error of a row that refers to one that is not there.
func missing(column string, id int64, what string) error {
	return fmt.Errorf("%s %d: expected the id of a %s", column, id, what)
}
