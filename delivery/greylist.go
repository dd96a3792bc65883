package delivery

import (
	"net/netip"
	"strings"
	"time"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// greylisting reports whether a reply looks like greylisting: a temporary one before the mail was sent, in the words
// that greylisting servers use.
func greylisting(r *queue.Result) bool {
	if r.Code < 400 || r.Code >= 500 || r.Code == 421 {
		return false
	}
	switch r.State {
	case queue.StateRcptTo, queue.StateData, queue.StateMailFrom, queue.StateMessage:
	default:
		return false
	}
	text := strings.ToLower(r.Description)
	for _, words := range [...]string{"greylist", "graylist", "grey list", "gray list", "grey-list", "gray-list",
		"not yet authorized", "come back later", "retry timeout"} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

// greylistDelay is the delay after an attempt that was greylisted; zero: as after others.
func (e *Engine) greylistDelay(j *job) time.Duration {
	if j.path == nil {
		return 0
	}
	return e.Throttle.Limits(j.path.key.Path).Greylist.Delay
}

// before returns the address that the last attempt left from.
func before(m *queue.Message) (netip.Addr, bool) {
	if len(m.Results) == 0 {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(m.Results[len(m.Results)-1].From)
	return a.Unmap(), err == nil
}

// bound reports whether a message was greylisted at its last attempt, which left from source, and the throttle has it
// wait for that address rather than take another.
func (e *Engine) bound(j *job, source netip.Addr) bool {
	from, ok := before(j.m)
	if !ok || from != source || !greylisting(&j.m.Results[len(j.m.Results)-1]) {
		return false
	}
	site := j.domain
	if route, err, ok := e.Router.Cached(j.domain); ok && err == nil {
		site = route.Site
	}
	return e.Throttle.Limits(throttle.Path{Source: source, Site: site}).Greylist.SameIP
}
