package feedback

import (
	"slices"
	"strings"

	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

// Observe implements monitor.Monitor: it hears of mail that a server refused for good while it was being sent, which
// counts like a bounce that comes later where there are rules for bounces. It never blocks; when more is refused than
// the desk can deal with, it misses some.
func (d *Desk) Observe(e *monitor.Event) {
	if e.Kind != monitor.Failed {
		return
	}
	m, _ := e.Message.(*queue.Message)
	result, _ := e.Result.(*queue.Result)
	if m == nil || result == nil || result.State != queue.StateRcptTo && result.State != queue.StateMessage ||
		!d.policy().wants(HardBounce) || !d.refusesAddress(result) {
		return
	}
	r := Record{ID: m.ID + "/refused", Kind: HardBounce, Source: short(result.MTA), Joined: BySession,
		Proof: ProofSession, MessageID: strings.Clone(m.ID), Recipient: strings.Clone(m.Recipient),
		Tags: slices.Clone(m.Tags), Status: strings.Clone(result.Status),
		Code: result.Code, Diagnostic: short(result.Description)}
	select {
	case d.refusals <- r:
	default:
	}
}

// refusesAddress reports whether a result is a hard bounce: by its class, which the engine found with the rules in
// force, and a response pattern may have set.
func (d *Desk) refusesAddress(r *queue.Result) bool {
	if r.Class != "" {
		return isHard(r.Class)
	}
	return d.hard(r, r.MTA)
}

// Tap implements monitor.Monitor: sessions are of no interest here.
func (d *Desk) Tap(monitor.Session) monitor.Transcript { return monitor.NoTranscript() }
