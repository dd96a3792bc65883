package smtpout

import (
	"errors"
	"io"
	"syscall"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/internal/reply"
	"github.com/sluicemail/sluice/queue"
)

// explain tells how a dialogue broke, and what of.
func (c *connection) explain(err error) (queue.Outcome, string) {
	switch {
	case c.watch.interrupted(), errors.Is(err, errInterrupted):
		return queue.Lost, errInterrupted.Error()
	case isNonsense(err):
		return queue.Invalid, err.Error()
	case isTimeout(err):
		return queue.Timeout, "no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return queue.Lost, "the remote closed the connection"
	case isClosed(err):
		return queue.Lost, "the remote broke the connection"
	}
	return queue.Lost, printable(err.Error())
}

// isClosed reports whether err says that the remote closed, in one way or the other.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE)
}

func isNonsense(err error) bool {
	var syntax *reply.SyntaxError
	return errors.As(err, &syntax) || errors.Is(err, reply.ErrTooLong)
}

// verdict tells what an unwelcome code means: a refusal, or nonsense.
func verdict(code int) queue.Outcome {
	if code >= 400 {
		return queue.Error
	}
	return queue.Invalid
}

// broke makes the failure of a connection that broke at state.
func (c *connection) broke(state queue.ResultState, err error) *failure {
	c.broken = true
	outcome, text := c.explain(err)
	f := c.fail(state, outcome, text)
	f.Cause = err
	return f
}

// refused makes the failure of a connection on which the reply just read was not what was hoped for.
func (c *connection) refused(state queue.ResultState, code int) *failure {
	outcome := verdict(code)
	if outcome == queue.Invalid {
		c.broken = true
	}
	f := c.fail(state, outcome, "")
	r := c.rd.Reply()
	f.Result.Code, f.Result.Status, f.Result.Description = code, r.Status, r.Description
	return f
}

func (c *connection) fail(state queue.ResultState, outcome queue.Outcome, text string) *failure {
	f := &failure{Failure: delivery.Failure{Result: c.result(state, outcome), Temporary: true}}
	f.Result.Description = text
	return f
}

// printable makes text fit for a result: no control characters, bounded.
func printable(text string) string {
	return reply.Clean([]byte(text))
}

func hasControl(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] == 0x7f {
			return true
		}
	}
	return false
}
