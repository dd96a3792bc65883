package smtpout

import (
	"time"

	"github.com/sluicemail/sluice/throttle"
)

// timeouts are a hop's, with the defaults put in.
type timeouts struct {
	connect, intro, command time.Duration
	data                    time.Duration // for the reply to DATA
	block                   time.Duration // for the remote to take a piece of the mail
	message                 time.Duration // for the reply to the mail
}

// effective puts in the defaults: 30 s to connect, 60 s for the greeting, and what RFC 5321 §4.5.3.2 says of the rest.
// The same time-out that is set for data serves the reply to DATA and each piece of the mail.
func effective(t throttle.Timeouts) timeouts {
	return timeouts{
		connect: orElse(t.Connect, 30*time.Second),
		intro:   orElse(t.Intro, time.Minute),
		command: orElse(t.Command, 5*time.Minute),
		data:    orElse(t.Data, 2*time.Minute),
		block:   orElse(t.Data, 3*time.Minute),
		message: orElse(t.Message, 10*time.Minute),
	}
}

func orElse(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}
