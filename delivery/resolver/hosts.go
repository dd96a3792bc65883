package resolver

import (
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// hostsFile answers for host names as hosts(5) does. A nil table is an empty one.
type hostsFile struct {
	file  watchedFile
	mu    sync.Mutex // held while reading the file
	table atomic.Pointer[map[string][]netip.Addr]
}

func newHostsFile(path string) *hostsFile {
	h := &hostsFile{}
	if path != "-" {
		h.file.path = path
	}
	return h
}

// lookup returns the addresses that the file has for a normal name. localhost and the names below it are always known
// (RFC 6761 §6.3).
func (h *hostsFile) lookup(name string, now time.Time) []netip.Addr {
	h.refresh(now)
	if table := h.table.Load(); table != nil {
		if addrs := (*table)[name]; len(addrs) > 0 {
			return addrs
		}
	}
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return []netip.Addr{netip.IPv6Loopback(), netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	}
	return nil
}

func (h *hostsFile) refresh(now time.Time) {
	if h.file.path == "" || !h.file.due(now) || !h.mu.TryLock() {
		return
	}
	defer h.mu.Unlock()
	content, changed, err := h.file.read(now)
	if !changed && (err == nil || h.table.Load() != nil) {
		return
	}
	// A file that cannot be read is an empty one: the DNS still answers.
	table := parseHosts(content)
	h.table.Store(&table)
}

// parseHosts reads lines of an address and its names. Lines that make no sense are skipped, as the system does.
func parseHosts(content string) map[string][]netip.Addr {
	table := make(map[string][]netip.Addr)
	for line := range strings.Lines(content) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		addr, err := netip.ParseAddr(fields[0])
		if err != nil {
			continue
		}
		for _, field := range fields[1:] {
			if name, ok := normalName(field); ok {
				table[name] = append(table[name], addr.Unmap().WithZone(""))
			}
		}
	}
	return table
}
