package delivery

// maxParkedDomains bounds what a path remembers of parked domains; what it forgets comes back after queue.MaxParked.
const maxParkedDomains = 10000

// parkedDomains remembers the domains of which messages are parked, and when that was last noted: an Unpark that found
// no more may have missed a message that was parked meanwhile.
type parkedDomains struct {
	domains map[string]uint64
	count   uint64
}

func (k *parkedDomains) note(domain string) {
	if k.domains == nil {
		k.domains = make(map[string]uint64)
	}
	k.count++
	if _, known := k.domains[domain]; known || len(k.domains) < maxParkedDomains {
		k.domains[domain] = k.count
	}
}

// some returns up to n domains for which want is true; nil: any.
func (k *parkedDomains) some(n int, want func(string) bool) []string {
	list := make([]string, 0, min(len(k.domains), n))
	for domain := range k.domains {
		if len(list) == n {
			break
		}
		if want == nil || want(domain) {
			list = append(list, domain)
		}
	}
	return list
}

// forget drops domains that were not noted since the count was this.
func (k *parkedDomains) forget(domains []string, since uint64) {
	for _, domain := range domains {
		if k.domains[domain] <= since {
			delete(k.domains, domain)
		}
	}
}
