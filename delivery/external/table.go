package external

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Protocol says how a public address is reached.
type Protocol string

// The protocols; see the package's story.
const (
	NAT   Protocol = "nat"
	SOCKS Protocol = "socks"
	HTTP  Protocol = "http"
)

// Row is an external MTA as the settings have it.
type Row struct {
	ID          int64
	PublicIP    string // address that the world sees
	LocalIP     string // local address to bind to; "": the system's choice
	ConnectIP   string // address of the proxy; of nat: see the package's story
	ConnectPort int64  // its port
	Protocol    string // nat, socks or http; "": nat
}

// MTA is a compiled [Row].
type MTA struct {
	ID       int64
	Public   netip.Addr
	Local    netip.Addr     // the zero Addr: the system's choice
	Connect  netip.AddrPort // not valid with nat: the target; a nat's port may be zero: the target's
	Protocol Protocol
}

// Table has the external MTAs by their public addresses. It never changes. A nil Table has none.
type Table struct {
	byPublic map[netip.Addr]*MTA
	sources  []netip.Addr
	broken   map[netip.Addr]bool // public addresses of rows that were left out
}

// Problem is a row that makes no sense and was left out.
type Problem struct {
	Table string // where the settings have it
	ID    int64
	Err   error
}

// Error names the row and what is wrong with it.
func (p Problem) Error() string { return fmt.Sprintf("%s %d: %v", p.Table, p.ID, p.Err) }

// Unwrap returns what is wrong.
func (p Problem) Unwrap() error { return p.Err }

// Compile makes a table of rows. Rows that make no sense are left out and told; of rows with the same public address
// the first counts.
func Compile(rows []Row) (*Table, []Problem) {
	t := &Table{byPublic: make(map[netip.Addr]*MTA, len(rows))}
	var problems []Problem
	for i := range rows {
		mta, err := compile(&rows[i])
		if err == nil && t.byPublic[mta.Public] != nil {
			err = fmt.Errorf("public_ip %s: row %d has it already", mta.Public, t.byPublic[mta.Public].ID)
		}
		if err != nil {
			problems = append(problems, Problem{Table: "externalmtas", ID: rows[i].ID, Err: err})
			if public, bad := address("public_ip", rows[i].PublicIP); bad == nil && public.IsValid() {
				t.leaveOut(public)
			}
			continue
		}
		t.byPublic[mta.Public] = mta
		t.sources = append(t.sources, mta.Public)
	}
	slices.SortFunc(t.sources, netip.Addr.Compare)
	return t, problems
}

// Sources returns the public addresses, sorted. The slice is shared: do not change it.
func (t *Table) Sources() []netip.Addr {
	if t == nil {
		return nil
	}
	return t.sources
}

func (t *Table) leaveOut(public netip.Addr) {
	if t.broken == nil {
		t.broken = make(map[netip.Addr]bool)
	}
	t.broken[public] = true
}

// Broken reports whether there is a row for a public address that makes no sense. Mail that may leave from it waits
// until the row is mended.
func (t *Table) Broken(public netip.Addr) bool {
	return t != nil && t.broken[public.Unmap()] && t.find(public) == nil
}

// Find returns the external MTA with a public address.
func (t *Table) Find(public netip.Addr) (MTA, bool) {
	if mta := t.find(public); mta != nil {
		return *mta, true
	}
	return MTA{}, false
}

func (t *Table) find(public netip.Addr) *MTA {
	if t == nil || !public.IsValid() {
		return nil
	}
	return t.byPublic[public.Unmap()]
}

var errMulticast = errors.New("expected the address of one machine")

func compile(row *Row) (*MTA, error) {
	mta := &MTA{ID: row.ID, Protocol: Protocol(strings.ToLower(strings.TrimSpace(row.Protocol)))}
	switch mta.Protocol {
	case NAT, SOCKS, HTTP:
	case "":
		mta.Protocol = NAT
	default:
		return nil, fmt.Errorf("protocol %q: expected nat, socks or http", row.Protocol)
	}
	var err error
	var connect netip.Addr
	if mta.Public, err = address("public_ip", row.PublicIP); err != nil {
		return nil, err
	}
	if !mta.Public.IsValid() {
		return nil, fmt.Errorf("public_ip %q: expected the address that the world sees", row.PublicIP)
	}
	if mta.Local, err = address("local_ip", row.LocalIP); err != nil {
		return nil, err
	}
	if connect, err = address("connect_ip", row.ConnectIP); err != nil {
		return nil, err
	}
	if row.ConnectPort < 0 || row.ConnectPort > 65535 {
		return nil, fmt.Errorf("connect_port %d: expected 1 to 65535", row.ConnectPort)
	}
	if connect.IsValid() {
		mta.Connect = netip.AddrPortFrom(connect, uint16(row.ConnectPort))
	}
	return mta, mta.check()
}

// check says what does not go together.
func (m *MTA) check() error {
	proxy := m.Protocol != NAT
	switch {
	case proxy && !m.Connect.IsValid():
		return fmt.Errorf("connect_ip: expected the address of the %s proxy", m.Protocol)
	case proxy && m.Connect.Port() == 0:
		return fmt.Errorf("connect_port 0: expected the port of the %s proxy", m.Protocol)
	}
	other, name := m.Public, "public_ip"
	if m.Connect.IsValid() {
		other, name = m.Connect.Addr(), "connect_ip"
	}
	if m.Local.IsValid() && m.Local.Is4() != other.Is4() {
		return fmt.Errorf("local_ip %s and %s %s: expected addresses of one IP version", m.Local, name, other)
	}
	return nil
}

// address reads a column; an unspecified address is as good as none.
func address(column, text string) (netip.Addr, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return netip.Addr{}, nil
	}
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.Zone() != "" && column == "public_ip" {
		return netip.Addr{}, fmt.Errorf("%s %q: expected an IP address", column, text)
	}
	ip = ip.Unmap()
	if ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return netip.Addr{}, fmt.Errorf("%s %s: %w", column, ip, errMulticast)
	}
	if ip.IsUnspecified() {
		return netip.Addr{}, nil
	}
	return ip, nil
}
