package doctor

import (
	"time"

	"github.com/miekg/dns"
)

// checkClock holds the clock against the signatures of the root zone, which are made anew every day, and asks the
// kernel whether somebody keeps it. No time server is asked.
func checkClock(r *round) {
	if synced, known := r.system().ClockKept(); known && !synced {
		r.warn("clock-unkept", "clock", "nobody keeps the clock of this machine right", "run chrony or systemd-timesyncd")
	}
	for _, server := range r.Servers {
		answer, _, err := r.ask(server, ".", dns.TypeSOA)
		if err != nil {
			continue
		}
		for _, rr := range answer.Answer {
			if s, ok := rr.(*dns.RRSIG); ok {
				r.checkSigned(s)
				return
			}
		}
	}
}

func (r *round) checkSigned(s *dns.RRSIG) {
	from, until := time.Unix(int64(s.Inception), 0), time.Unix(int64(s.Expiration), 0)
	if now := r.now(); now.Before(from) || now.After(until) {
		r.fail("clock-wrong", "clock", "it says "+now.UTC().Format(time.DateTime)+
			", and the signature of the DNS root is of "+
			from.UTC().Format(time.DateTime)+" to "+until.UTC().Format(time.DateTime),
			"set the clock, and run chrony or systemd-timesyncd")
	}
}
