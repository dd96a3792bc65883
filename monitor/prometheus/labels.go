package prometheus

import "github.com/sluicemail/sluice/monitor"

// stage numbers the parts of an attempt that are timed.
type stage uint8

const (
	connect stage = iota
	greeting
	handshake
	envelope
	mail
	stages
)

var stageNames = [stages]string{"connect", "greeting", "tls", "envelope", "mail"}

// reply numbers what may become of an attempt, by the first digit of its code.
type reply uint8

const (
	accepted reply = iota
	deferred
	refused
	replies
)

var replyNames = [replies]string{"2xx", "4xx", "5xx"}

// replyOf returns that of an attempt; one that ended without a code counts as what was made of it.
func replyOf(e *monitor.Event) reply {
	switch {
	case e.Kind == monitor.Delivered:
		return accepted
	case e.Code/100 == 5, e.Code/100 != 4 && e.Kind == monitor.Failed:
		return refused
	}
	return deferred
}

// lookup numbers the outcomes of look-ups.
type lookup uint8

const (
	answered lookup = iota
	unanswered
	lookups
)

var lookupNames = [lookups]string{"answered", "failed"}
