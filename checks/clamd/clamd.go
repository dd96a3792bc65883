package clamd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/sluicemail/sluice/checks"
)

// Name is what the check is called in results.
const Name = "virus"

// Checker asks one clamd. It is used by pointer and safe for concurrent use.
type Checker struct {
	// Service says where clamd listens, such as "unix:///run/clamav/clamd.ctl" or "tcp://host:3310", and what it may
	// cost.
	Service checks.Service
	// MaxSize is the largest mail to send, in bytes: zero is no limit but clamd's own StreamMaxLength. Larger ones get
	// the verdict PermError.
	MaxSize int64
}

// Found is the Detail of a result for a mail with a virus.
type Found = checks.Virus

// Name returns "virus".
func (c *Checker) Name() string { return Name }

// Check returns one result: Pass with {"virus":"clean"}, Fail with {"virus":"found","signature":"Eicar"}, PermError for
// a mail that is larger than clamd takes, TempError when it could not say.
func (c *Checker) Check(ctx context.Context, mail *checks.Mail) ([]checks.Result, error) {
	if mail.Body == nil {
		return one("", checks.None, "no mail"), nil
	}
	if size := mail.Body.Size(); c.MaxSize > 0 && size > c.MaxSize {
		return one("", checks.PermError, fmt.Sprintf("%d bytes: more than the limit of %d", size, c.MaxSize)), nil
	}
	a, err := c.scan(ctx, mail.Body)
	switch {
	case err != nil:
		return one("", checks.TempError, problem(err)), err
	case a.kind == clean:
		return one("clean", checks.Pass, ""), nil
	case a.kind == found:
		return []checks.Result{{Check: Name, Verdict: checks.Fail, Reason: a.text, Detail: Found{Signature: a.text},
			JSON: checks.NewObject(Name, "found").Text("signature", a.text).JSON()}}, nil
	case a.kind == tooLarge:
		return one("", checks.PermError, "larger than clamd takes"), nil
	default:
		return one("", checks.TempError, "clamd could not scan it"),
			fmt.Errorf("%s: clamd answered %q", c.Service.Address, a.text)
	}
}

// one is a result; without a word of its own the JSON says the verdict.
func one(word string, verdict checks.Verdict, reason string) []checks.Result {
	if word == "" {
		word = string(verdict)
	}
	return []checks.Result{{Check: Name, Verdict: verdict, Reason: reason, JSON: checks.NewObject(Name, word).JSON()}}
}

// problem says in a few words, and without addresses, why there is no verdict.
func problem(err error) string {
	switch {
	case errors.Is(err, checks.ErrBusy):
		return "clamd is busy"
	case errors.Is(err, context.DeadlineExceeded):
		return "clamd did not answer in time"
	case errors.Is(err, errNonsense):
		return "clamd answered nonsense"
	}
	return "clamd could not be asked"
}

// scan has clamd look at a mail.
func (c *Checker) scan(ctx context.Context, body checks.Body) (answer, error) {
	var a answer
	var unread error // the mail's fault, not clamd's
	err := c.Service.Exchange(ctx, func(conn net.Conn) error {
		sent := sendStream(conn, body)
		if errors.As(sent, new(*bodyError)) {
			unread = sent
			return nil
		}
		line, err := readLine(conn)
		if err != nil && sent != nil { // it hung up instead of listening
			return sent
		}
		if err != nil {
			return err
		}
		a, err = parseAnswer(line)
		return err
	})
	if err == nil {
		err = unread
	}
	return a, err
}

// State returns whether clamd works; its versions are known after [Checker.Probe].
func (c *Checker) State() checks.State { return c.Service.State() }

// Changed is [checks.Service.Changed].
func (c *Checker) Changed() <-chan struct{} { return c.Service.Changed() }

// Probe asks for the versions, and returns the state with them.
func (c *Checker) Probe(ctx context.Context) (checks.State, error) {
	var v version
	err := c.Service.Exchange(ctx, func(conn net.Conn) error {
		if _, err := io.WriteString(conn, "zVERSION\x00"); err != nil {
			return err
		}
		line, err := readLine(conn)
		if err != nil {
			return err
		}
		v, err = parseVersion(line)
		return err
	})
	if err == nil {
		c.Service.SetVersion(v.engine, v.signatures, v.dated)
	}
	return c.State(), err
}
