package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/sluicemail/sluice/internal/cmdline"
	"github.com/sluicemail/sluice/internal/nearest"
	"github.com/sluicemail/sluice/monitor/logsearch"
)

// logOptions are the command line of mtad log.
type logOptions struct {
	What string `arg:"" optional:"" default:"all" help:"all, received, success, failures, deferrals: a line each. top-recipients, top-senders, top-failures, top-deferrals, domain-stats, user-stats: figures. Or the message-id of one mail."`

	Last string `placeholder:"SPAN" help:"Only what is not older: 90s, 3h, '2 days'."`
	From string `placeholder:"TIME" help:"Not before: YYYY-MM-DD [HH:MM:SS] in UTC, Unix seconds, or how long ago."`
	To   string `placeholder:"TIME" help:"Before that time; a day alone is that whole day."`

	Recipient string `name:"rcpt" placeholder:"ADDRESS" help:"Part of the recipient's address."`
	Sender    string `placeholder:"ADDRESS" help:"Part of the sender's address."`
	User      string `placeholder:"NAME" help:"Who logged in, or ran the program, to bring the mail."`
	Domain    string `placeholder:"NAME" help:"Recipient domain."`
	IP        string `name:"ip" placeholder:"ADDRESS" help:"Local, remote or client's address."`
	Tag       string `placeholder:"TAG" help:"One of the tags."`
	Code      int    `placeholder:"CODE" help:"Reply code; 2, 4 or 5 for all of a kind."`
	Class     string `placeholder:"CLASS" help:"Why attempts failed, such as mailbox-full."`
	Text      string `placeholder:"TEXT" help:"Anywhere in the record."`
	Source    string `enum:",smtp,spool,cli,http" default:"" placeholder:"smtp|spool|cli|http" help:"By which way the mail came in."`
	Local     bool   `xor:"place" help:"Only what went into mailboxes here: a Maildir, or LMTP to a socket."`
	Remote    bool   `xor:"place" help:"Only what went to other hosts."`

	Sort       string   `placeholder:"FIELD" help:"Of lines: time, sender, recipient, domain, code; of figures: the name of a column."`
	Limit      int      `placeholder:"N" help:"The newest N lines, or N rows of figures (of top-…: 10)."`
	Detail     bool     `help:"All that is known of each; with --json the whole record."`
	JSON       bool     `name:"json" help:"An object a line."`
	Follow     bool     `short:"f" help:"Go on, and print what comes."`
	ConfigFile string   `name:"config-file" placeholder:"FILE" help:"Configuration file of the server, which names its logs."`
	Files      []string `name:"file" placeholder:"FILE" sep:"none" help:"A machine-readable log, instead, and what was rotated; up to two."`
}

func logLine() (*cmdline.Line, *logOptions) {
	o := new(logOptions)
	return &cmdline.Line{Name: "mtad log", Grammar: o,
		Meaning: "Tells from the machine-readable logs, rotated and gzipped ones too, what became of mail. The server need not run.",
		Examples: []string{"mtad log --last 3h --domain example.com failures",
			"mtad log --rcpt jo@example.com --from 2026-01-30 --to 2026-01-31 --detail",
			"mtad log --last '2 days' domain-stats --sort failed"}}, o
}

func logModel() *kong.Application {
	line, _ := logLine()
	return line.Model()
}

// logReport is what mtad log prints: lines, or figures where count makes them.
type logReport struct {
	name    string
	kind    logsearch.Kind
	outcome logsearch.Outcome
	count   func() *tally
}

func logReports() []logReport {
	return []logReport{
		{name: "all"},
		{name: "received", kind: logsearch.Received},
		{name: "success", kind: logsearch.Attempt, outcome: logsearch.Delivered},
		{name: "failures", kind: logsearch.Attempt, outcome: logsearch.Failed},
		{name: "deferrals", kind: logsearch.Attempt, outcome: logsearch.Deferred},
		{name: "top-recipients", kind: logsearch.Attempt, count: topOf("recipient", recipientOf)},
		{name: "top-senders", kind: logsearch.Attempt, count: topOf("sender", senderOf)},
		{name: "top-failures", kind: logsearch.Attempt, outcome: logsearch.Failed, count: topOf("reason", reasonOf)},
		{name: "top-deferrals", kind: logsearch.Attempt, outcome: logsearch.Deferred, count: topOf("reason", reasonOf)},
		{name: "domain-stats", count: statsOf("domain", domainOf)},
		{name: "user-stats", count: statsOf("user", userOf)},
	}
}

// logRun is one run of mtad log.
type logRun struct {
	*Call
	*logOptions
	report  logReport
	files   logsearch.Files
	query   logsearch.Query
	out     *bufio.Writer
	printed int
}

// log is mtad log.
func log(c *Call) int {
	line, o := logLine()
	if _, code, done := line.Parse(c.Args, c.Stdout, c.Stderr); done {
		return code
	}
	l := &logRun{Call: c, logOptions: o, out: bufio.NewWriter(c.Stdout)}
	err := l.prepare(time.Now())
	if err == nil {
		err = l.find()
	}
	if err == nil {
		err = l.run()
	}
	if failed := l.out.Flush(); err == nil {
		err = failed
	}
	if err == nil {
		return ExitOK
	}
	if err != errIncomplete {
		fmt.Fprintln(c.Stderr, "mtad log:", err)
	}
	return codeOf(err, ExitFailed)
}

// errIncomplete ends a run whose files could not all be read: each was told of.
var errIncomplete error = coded{exitNoInput, errors.New("not every log could be read")}

func wrong(format string, args ...any) error { return coded{exitUsage, fmt.Errorf(format, args...)} }

// prepare makes the query.
func (l *logRun) prepare(now time.Time) error {
	reports := logReports()
	i := slices.IndexFunc(reports, func(r logReport) bool { return r.name == l.What })
	id := ""
	switch {
	case i >= 0:
		l.report = reports[i]
	case strings.ContainsAny(l.What, "0123456789"):
		id = l.What
	default:
		var names []string
		for _, r := range reports {
			names = append(names, r.name)
		}
		if near := nearest.Of(l.What, names); near != "" {
			return wrong("there is no report %s: did you mean %s?", l.What, near)
		}
		return wrong("there is no report %s: expected a message-id, or one of %s", l.What, strings.Join(names, ", "))
	}
	from, to, err := l.window(now)
	if err != nil {
		return err
	}
	l.query = logsearch.Query{Kind: l.report.kind, Outcome: l.report.outcome, From: from, To: to, ID: id,
		Sender: l.Sender, Recipient: l.Recipient, User: l.User, Domain: l.Domain, IP: l.IP, Tag: l.Tag, Code: l.Code,
		Class: l.Class, Text: l.Text, Source: logsearch.Source(l.Source), Bare: !l.Detail || !l.JSON}
	if l.Local {
		l.query.Place = logsearch.Local
	}
	if l.Remote {
		l.query.Place = logsearch.Remote
	}
	switch {
	case l.Limit < 0:
		return wrong("--limit %d: expected a number above zero", l.Limit)
	case l.Follow && l.report.count != nil:
		return wrong("--follow: figures cannot be followed, lines can")
	case l.Follow && (l.To != "" || l.Sort != "" && l.Sort != "time"):
		return wrong("--follow goes on for ever, in the order of time: expected neither --to nor --sort with it")
	}
	if err := l.query.Check(); err != nil {
		return wrong("%w", err)
	}
	return l.checkSort()
}

// find finds the logs.
func (l *logRun) find() error {
	if n := len(l.Files); n > 2 {
		return wrong("--file is given %d times: expected the log of attempts, that of received mail, or both", n)
	} else if n > 0 {
		l.files = logsearch.Files{Send: l.Files[0], Received: l.Files[n-1]} // one may have both kinds
		return nil
	}
	cfg, err := l.configOf(l.ConfigFile)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return coded{exitNoPerm, err}
	case err != nil:
		return coded{ExitConfig, err}
	}
	l.files = logsearch.Files{Send: cfg.SendBinLogFile, Received: cfg.ReceivedBinLogFile}
	if l.files == (logsearch.Files{}) {
		return coded{ExitConfig, fmt.Errorf("%w in the configuration, or name a file with --file", logsearch.ErrNoLogs)}
	}
	return nil
}

func (l *logRun) run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	show := l.sink()
	scanned, err := l.files.Scan(ctx, l.query, show.add, l.complain)
	switch {
	case errors.Is(err, logsearch.ErrNoLogs):
		return coded{ExitConfig, fmt.Errorf("%s needs a log that the configuration does not name: %w", l.What, err)}
	case errors.Is(err, context.Canceled):
		return errors.New("ended by a signal: what was printed is not all")
	case err != nil:
		return coded{codeOf(err, exitNoInput), err}
	}
	if err := show.end(l); err != nil {
		return err
	}
	if err := l.out.Flush(); err != nil {
		return err
	}
	if l.printed == 0 && !l.Follow {
		fmt.Fprintln(l.Stderr, "mtad log: nothing was found")
	}
	l.tellWindow(scanned)
	if l.Follow {
		err := l.files.Follow(ctx, scanned, l.query, l.showNow, l.complain)
		if !errors.Is(err, context.Canceled) {
			return err
		}
	}
	if scanned.Incomplete {
		return errIncomplete
	}
	return nil
}

func (l *logRun) complain(p *logsearch.Problem) { fmt.Fprintln(l.Stderr, "mtad log:", p) }

// logSink takes the entries that were found.
type logSink interface {
	add(*logsearch.Entry) error
	end(*logRun) error
}

func (l *logRun) sink() logSink {
	switch {
	case l.report.count != nil:
		return l.report.count()
	case l.Limit > 0 || l.Sort != "" && l.Sort != "time":
		return &kept{l: l}
	}
	return direct{l}
}

// direct prints entries as they come.
type direct struct{ *logRun }

func (d direct) add(e *logsearch.Entry) error { return d.show(e) }
func (direct) end(*logRun) error              { return nil }

// showNow prints an entry that somebody waits for.
func (l *logRun) showNow(e *logsearch.Entry) error {
	if err := l.show(e); err != nil {
		return err
	}
	return l.out.Flush()
}
