package delivery

import (
	"net/netip"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// again is how long a message waits that belongs to another instance which reads the same outbox.
const again = time.Second

// handOver gives a message that may leave from no address of this machine to the instance that has one of them, and
// reports whether it did.
func (e *Engine) handOver(j *job) bool {
	if len(j.m.IPs) == 0 || e.Sources.Elsewhere == nil {
		return false
	}
	outbox := ""
	for _, text := range j.m.IPs {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			continue
		}
		if ip = ip.Unmap(); e.isLocal(ip) {
			return false
		}
		if name, ok := e.Sources.Elsewhere(ip); ok && outbox == "" {
			outbox = name
		}
	}
	if outbox == "" {
		return false
	}
	m := *j.m
	if outbox == e.Names.Outbox {
		m.NextAttempt = time.Now().Add(again) // or it would be back at once
	}
	e.settle(j, []queue.Item{{Queue: outbox, Message: &m}})
	return true
}
