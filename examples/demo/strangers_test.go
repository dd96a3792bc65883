package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// strangers watches the sockets of a process until stop, and returns those that are connected to another machine. Where
// there is no /proc it sees nothing.
func strangers(pid int, stop <-chan struct{}) []string {
	var all []string
	tick := time.NewTicker(150 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return all
		case <-tick.C:
		}
		own := sockets(pid)
		for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
			for _, peer := range peers(pid, table, own) {
				if !peer.Addr().Unmap().IsLoopback() && !peer.Addr().IsUnspecified() && !slices.Contains(all, peer.String()) {
					all = append(all, peer.String())
				}
			}
		}
	}
}

// sockets are the inodes of a process's sockets.
func sockets(pid int) map[string]bool {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, _ := os.ReadDir(dir)
	all := map[string]bool{}
	for _, entry := range entries {
		link, _ := os.Readlink(dir + "/" + entry.Name())
		if inode, ok := strings.CutPrefix(link, "socket:["); ok {
			all[strings.TrimSuffix(inode, "]")] = true
		}
	}
	return all
}

// peers are the remote addresses of a table of sockets, proc(5), as far as they are ours.
func peers(pid int, table string, own map[string]bool) []netip.AddrPort {
	f, err := os.Open(fmt.Sprintf("/proc/%d/net/%s", pid, table))
	if err != nil {
		return nil
	}
	defer f.Close()
	var all []netip.AddrPort
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || !own[fields[9]] {
			continue
		}
		if peer, ok := parsePeer(fields[2]); ok {
			all = append(all, peer)
		}
	}
	return all
}

// parsePeer reads "0100007F:1F90": words of an address, each with its lowest byte first, and a port.
func parsePeer(text string) (peer netip.AddrPort, ok bool) {
	host, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	if err != nil || len(raw)%4 != 0 {
		return peer, false
	}
	for word := range slices.Chunk(raw, 4) {
		slices.Reverse(word)
	}
	addr, ok := netip.AddrFromSlice(raw)
	var n uint16
	_, err = fmt.Sscanf(port, "%x", &n)
	return netip.AddrPortFrom(addr, n), ok && err == nil
}
