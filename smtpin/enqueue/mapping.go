package enqueue

import "net/netip"

// Mapping says from which address a mail leaves, by the address that its client connected to. Messages with an x-mq-ip
// or x-mq-pool header are not mapped. The zero Mapping maps every address but those on loopback and link-local ones.
type Mapping struct {
	// Default are the addresses for mail that came in on an address that is not mappable. None: any address will do.
	Default []netip.Addr
	// Mappable are the addresses from which mail leaves that came in on them. It is ignored unless MappableSet is true:
	// then loopback and link-local addresses may be listed as well.
	Mappable    []netip.Prefix
	MappableSet bool
	// Unmappable are exceptions from what is mappable.
	Unmappable []netip.Prefix
}

// IPs returns the addresses that a mail may leave from which came in on local, in the form of queue.Message.IPs: nil
// means any.
func (m *Mapping) IPs(local netip.Addr) []string {
	local = local.Unmap().WithZone("")
	if m.maps(local) {
		return []string{local.String()}
	}
	var ips []string
	for _, a := range m.Default {
		ips = append(ips, a.Unmap().String())
	}
	return ips
}

func (m *Mapping) maps(a netip.Addr) bool {
	if !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || contains(m.Unmappable, a) {
		return false
	}
	if m.MappableSet {
		return contains(m.Mappable, a)
	}
	return !a.IsLoopback() && !a.IsLinkLocalUnicast()
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
