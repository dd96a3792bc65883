package enqueue

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/emersion/go-smtp"

	"github.com/sluicemail/sluice/internal/addr"
)

// Blocklist is a list of clients and senders that are not wanted. Of ranges that overlap, the narrowest one counts, and
// of an address and its domain the address.
//
// The zero Blocklist is empty. Add must not be called once the others are; those may be called concurrently.
type Blocklist struct {
	four, six ranges
	senders   map[string]*smtp.SMTPError // addresses and domains
}

// ranges are those of one family, by address with all bits beyond the prefix zero. Few different lengths are in use at
// a time, so a look-up in each costs little.
type ranges struct {
	lengths []int // in use, longest first
	byLen   map[int]map[netip.Addr]*smtp.SMTPError
}

// Add adds a client (an IP address or a range such as 192.0.2.0/24) or a sender (a mail address, or a domain without
// those under it), and what it is told: a code of 4yz or 5yz and a text. Zero and "" stand for 554 and a text of ours.
// An error tells what is wrong; nothing is added then.
func (b *Blocklist) Add(value string, code int, description string) error {
	if code == 0 {
		code = 554
	}
	if code < 400 || code > 599 {
		return fmt.Errorf("code %d: expected one from 400 to 599, or 0", code)
	}
	value = strings.TrimSpace(value)
	reply := func(text string) *smtp.SMTPError {
		if description != "" {
			text = description
		}
		return refuse(code, smtp.EnhancedCode{code / 100, 7, 1}, text)
	}
	if prefix, ok, err := parseClients(value); ok {
		if err != nil {
			return err
		}
		b.addClients(prefix, reply("Mail from your address is not accepted"))
		return nil
	}
	sender := strings.TrimPrefix(value, "@")
	switch {
	case strings.Contains(sender, "@"):
		sender = addr.FoldAddress(sender)
		if !addr.Valid(sender, addr.Loose|addr.UTF8) {
			return fmt.Errorf("%q: expected a mail address", value)
		}
	case addr.ValidDomain(sender, addr.Loose|addr.UTF8):
		sender = addr.Fold(sender)
	default:
		return fmt.Errorf("%q: expected an IP address, a range, a mail address or a domain", value)
	}
	if b.senders == nil {
		b.senders = make(map[string]*smtp.SMTPError)
	}
	b.senders[sender] = reply("Mail from this sender is not accepted")
	return nil
}

// parseClients reads an address or a range; ok says that it is meant to be one.
func parseClients(value string) (p netip.Prefix, ok bool, err error) {
	if a, err := netip.ParseAddr(value); err == nil {
		if a.Zone() != "" {
			return p, true, fmt.Errorf("%q: expected an address without a zone", value)
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), true, nil
	}
	if !strings.Contains(value, "/") || strings.Contains(value, "@") {
		return p, false, nil
	}
	p, err = netip.ParsePrefix(value)
	if err != nil {
		return p, true, fmt.Errorf("%q: expected a range such as 192.0.2.0/24", value)
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return p, true, fmt.Errorf("%q: expected a range of IPv4 or of IPv6 addresses", value)
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), true, nil
}

func (b *Blocklist) addClients(p netip.Prefix, reply *smtp.SMTPError) {
	r := b.family(p.Addr())
	if r.byLen == nil {
		r.byLen = make(map[int]map[netip.Addr]*smtp.SMTPError)
	}
	same := r.byLen[p.Bits()]
	if same == nil {
		same = make(map[netip.Addr]*smtp.SMTPError)
		r.byLen[p.Bits()] = same
		r.lengths = append(r.lengths, p.Bits())
		slices.SortFunc(r.lengths, func(a, b int) int { return b - a })
	}
	same[p.Addr()] = reply
}

func (b *Blocklist) family(a netip.Addr) *ranges {
	if a.Is4() {
		return &b.four
	}
	return &b.six
}

// Client returns the reply for a client that is listed, or nil. It may be the Blocked of a Server.
func (b *Blocklist) Client(client netip.Addr) *smtp.SMTPError {
	client = client.Unmap().WithZone("")
	r := b.family(client)
	for _, bits := range r.lengths {
		p, err := client.Prefix(bits)
		if err != nil {
			return nil
		}
		if reply := r.byLen[bits][p.Addr()]; reply != nil {
			return reply
		}
	}
	return nil
}

// Sender returns the reply for a sender whose address or domain is listed, or nil. It may be the BlockedSender of a
// Backend.
func (b *Blocklist) Sender(address string) *smtp.SMTPError {
	if len(b.senders) == 0 {
		return nil
	}
	address = addr.FoldAddress(address)
	if reply := b.senders[address]; reply != nil {
		return reply
	}
	_, domain := addr.Split(address)
	return b.senders[domain]
}
