package smtpout

import (
	"context"
	"errors"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/queue"
)

// Probe finds out whether a remote would take mail: it connects as Open does, says MAIL and RCPT, then RSET and QUIT.
// No mail is sent. The result is that of the last command that was answered, or of what went wrong before.
func (s *Sender) Probe(ctx context.Context, hop *delivery.Hop, from, to string) queue.Result {
	opened, err := s.Open(ctx, hop)
	if failed, ok := errors.AsType[*delivery.Failure](err); ok {
		return failed.Result
	}
	c := opened.(*connection)
	defer c.Close()
	if !sendable(from) || to == "" || !sendable(to) || !c.enter(ctx) {
		r := c.result(queue.StateRcptTo, queue.Invalid)
		r.Description = "the address cannot be asked about"
		return r
	}
	defer c.leave()
	mail := "MAIL FROM:<" + from + ">"
	if hop.RequireTLS {
		mail += " REQUIRETLS"
	}
	r, good := c.ask(queue.StateMailFrom, mail)
	if good {
		r, _ = c.ask(queue.StateRcptTo, "RCPT TO:<"+to+">")
		if !c.broken {
			_, _ = c.ask(queue.StateRcptTo, "RSET") // whatever is answered, QUIT follows
		}
	}
	return r
}

// ask says a command and returns what was answered, and whether that is yes.
func (c *connection) ask(state queue.ResultState, command string) (r queue.Result, yes bool) {
	code, failed := c.command(state, command)
	if failed != nil {
		return failed.Result, false
	}
	r = c.result(state, queue.Error)
	if yes = code/100 == 2; yes {
		r.Result = queue.Accepted
	}
	said := c.rd.Reply()
	r.Code, r.Status, r.Description = code, said.Status, said.Description
	return r, yes
}
