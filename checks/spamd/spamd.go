package spamd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/internal/mailbody"
)

// Name is what the check is called in results.
const Name = "spam"

const defaultMaxSize = 512 << 10

// Checker asks one spamd. It is used by pointer and safe for concurrent use.
type Checker struct {
	// Service says where spamd listens, usually "localhost:783", and what it may cost.
	Service checks.Service
	// User returns whose preferences apply; nil, or an empty name, is spamd's own user.
	User func(*checks.Mail) string
	// MaxSize is the largest mail to send, in bytes: zero is 512 KiB, negative no limit. Larger ones get the verdict
	// None.
	MaxSize int64
}

// Score is the Detail of a result.
type Score = checks.Spam

// Name returns "spam".
func (c *Checker) Name() string { return Name }

// Check returns one result: Fail for spam, Pass for what is none, None for a mail that is too large, TempError when
// spamd could not say. Its JSON is {"spam":"no","score":1.2,"threshold":5,"symbols":["A"]}.
func (c *Checker) Check(ctx context.Context, mail *checks.Mail) ([]checks.Result, error) {
	if mail.Body == nil {
		return plain(checks.None, "no mail"), nil
	}
	max := c.MaxSize
	if max == 0 {
		max = defaultMaxSize
	}
	if size := mail.Body.Size(); max > 0 && size > max {
		return plain(checks.None, fmt.Sprintf("%d bytes: more than the limit of %d", size, max)), nil
	}
	var user string
	if c.User != nil {
		user = c.User(mail)
	}
	r, err := c.ask(ctx, request{command: "SYMBOLS", user: user}, traced(mail))
	if err != nil {
		return plain(checks.TempError, problem(err)), err
	}
	score, err := r.score()
	if err != nil {
		return plain(checks.TempError, "spamd gave no verdict"), err
	}
	return []checks.Result{result(score)}, nil
}

// traced returns the mail behind our Received field: without it SpamAssassin would take the server before us for the
// client.
func traced(mail *checks.Mail) checks.Body {
	if len(mail.Trace) == 0 {
		return mail.Body
	}
	return mailbody.Join(mail.Trace, mail.Body, 0)
}

// plain is a result without a score.
func plain(verdict checks.Verdict, reason string) []checks.Result {
	return []checks.Result{{Check: Name, Verdict: verdict, Reason: reason,
		JSON: checks.NewObject(Name, string(verdict)).JSON()}}
}

func result(s Score) checks.Result {
	word, verdict := "no", checks.Pass
	if s.Spam {
		word, verdict = "yes", checks.Fail
	}
	return checks.Result{
		Check:   Name,
		Verdict: verdict,
		Reason:  fmt.Sprintf("score %v of %v", s.Score, s.Threshold),
		JSON: checks.NewObject(Name, word).Number("score", s.Score).Number("threshold", s.Threshold).Texts("symbols",
			s.Symbols).JSON(),
		Detail: s,
	}
}

// problem says in a few words, and without addresses, why there is no verdict.
func problem(err error) string {
	var answer *AnswerError
	switch {
	case errors.Is(err, checks.ErrBusy):
		return "spamd is busy"
	case errors.Is(err, context.DeadlineExceeded):
		return "spamd did not answer in time"
	case errors.As(err, &answer):
		return answer.Error()
	}
	return "spamd could not be asked"
}

// State returns whether spamd works; its version is known after [Checker.Probe].
func (c *Checker) State() checks.State { return c.Service.State() }

// Changed is [checks.Service.Changed].
func (c *Checker) Changed() <-chan struct{} { return c.Service.Changed() }

// probe is a mail that any rule set can judge.
const probe = "From: probe@localhost\r\nTo: probe@localhost\r\nSubject: probe\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n" +
	"Message-ID: <probe@localhost>\r\n\r\nprobe\r\n"

// Probe has spamd look at a tiny mail, and returns the state with its version.
func (c *Checker) Probe(ctx context.Context) (checks.State, error) {
	r, err := c.ask(ctx, request{command: "HEADERS"}, strings.NewReader(probe))
	if err == nil {
		c.Service.SetVersion(r.version(), "", time.Time{})
	}
	return c.State(), err
}

// Class is what a mail is taught as.
type Class string

// The classes.
const (
	Spam   Class = "spam"
	Ham    Class = "ham"    // not spam
	Forget Class = "forget" // neither: what was learned of it is forgotten
)

// Learn teaches a mail to the Bayes filter of a user, "" for spamd's own. It reports whether that changed anything:
// spamd learns no mail twice. It is an error when spamd runs without --allow-tell.
func (c *Checker) Learn(ctx context.Context, body checks.Body, user string, class Class) (bool, error) {
	if body == nil {
		return false, errors.New("learning from no mail")
	}
	req := request{command: "TELL", user: user}
	switch class {
	case Spam, Ham:
		req.headers = "Message-class: " + string(class) + "\r\nSet: local\r\n"
	case Forget:
		req.headers = "Remove: local\r\n"
	default:
		return false, fmt.Errorf("learning a mail as %q: want spam, ham or forget", class)
	}
	r, err := c.ask(ctx, req, body)
	if err != nil {
		return false, err
	}
	return r.header("DidSet") != "" || r.header("DidRemove") != "", nil
}

// ask has one exchange with spamd.
func (c *Checker) ask(ctx context.Context, req request, body checks.Body) (reply, error) {
	var r reply
	if err := req.valid(); err != nil {
		return r, err
	}
	var unread error // the body's fault, not spamd's
	err := c.Service.Exchange(ctx, func(conn net.Conn) error {
		sent := req.send(conn, body)
		if errors.As(sent, new(*bodyError)) {
			unread = sent
			return nil
		}
		var err error
		r, err = readReply(conn)
		if err != nil && sent != nil { // it hung up instead of listening
			return sent
		}
		return err
	})
	if err == nil {
		err = unread
	}
	return r, err
}
