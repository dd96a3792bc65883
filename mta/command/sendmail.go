package command

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/console/ctl"
	"github.com/sluicemail/sluice/internal/mailheader"
	"github.com/sluicemail/sluice/internal/readfault"
	"github.com/sluicemail/sluice/mta"
	"github.com/sluicemail/sluice/smtpin/spool"
)

// sender is one run as sendmail: a mail is read and put into the spool directory, where it is durable and the server
// finds it, now or when it runs again. Nothing else is opened.
type sender struct {
	command        string
	args, environ  []string
	s              config.Switches
	cfg            *config.Config
	stdin          io.Reader
	stdout, stderr io.Writer
}

// Mail does what sendmail does when a command line asks for that: by its switches, by addresses, or by the name of the
// program, of sendmail, mailq and newaliases. done is false when it asks for something else.
func Mail(command string, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) (code int, done bool) {
	name := filepath.Base(command)
	s, err := config.ParseArgs(args)
	switch name {
	case "newaliases":
		return ExitOK, true // there is no table of aliases to be made anew
	case "mailq":
		s.Mode = "p"
	case "sendmail":
	default:
		if !s.Sendmail() || s.Help || s.Version || s.CheckConfig {
			return ExitOK, false
		}
		if len(s.Addresses) > 0 && !strings.Contains(s.Addresses[0], "@") && noCommand(s.Addresses[0]) != "" {
			return ExitOK, false // Answer says what was meant
		}
	}
	m := &sender{command: command, args: args, environ: environ, s: s, stdin: stdin, stdout: stdout, stderr: stderr}
	if err != nil {
		return m.fail(exitUsage, err), true
	}
	return m.run(), true
}

// run does what the mode says.
func (m *sender) run() int {
	switch m.s.Mode {
	case "", "m", "s", "p":
	case "i":
		return ExitOK // as newaliases
	case "d", "D":
		return m.fail(exitUsage, errors.New("-bd: the server is started without switches of sendmail: mtad --daemon"))
	default:
		return m.fail(exitUsage, fmt.Errorf("-b%s: expected -bm, -bs, -bp or -bi: nothing else is done here", m.s.Mode))
	}
	if m.s.FlushQueue && m.s.Mode == "" && len(m.s.Addresses) == 0 && !m.s.ExtractRecipients {
		return ExitOK // the server picks files up, and tries again, by itself
	}
	if err := m.load(); err != nil {
		return m.fail(ExitConfig, err)
	}
	switch m.s.Mode {
	case "s":
		return m.serve()
	case "p":
		return m.list()
	}
	if len(m.s.Addresses) == 0 && !m.s.ExtractRecipients {
		return m.fail(exitUsage, errors.New("expected addresses of recipients, or -t to take them from the header"))
	}
	return m.submit()
}

// load reads the configuration. Who may not read that of the system can name the spool directory instead.
func (m *sender) load() error {
	src := mta.Sources(m.args, m.environ)
	src.Check, src.Supported = nil, nil
	cfg, _, err := config.Load(src)
	if errors.Is(err, fs.ErrPermission) && m.s.ConfigFile == "" {
		src.SystemFiles = []string{}
		if without, _, err := config.Load(src); err == nil && without.SpoolDirectory != "" {
			m.cfg = without
			return nil
		}
		return fmt.Errorf("%w\nname the spool directory with --spool-directory DIR, or let every user read the configuration",
			err)
	}
	m.cfg = cfg
	return err
}

func (m *sender) fail(code int, err error) int {
	fmt.Fprintf(m.stderr, "%s: %v\n", filepath.Base(m.command), err)
	return code
}

// submit reads a mail from standard input.
func (m *sender) submit() int {
	text := m.stdin
	if !m.s.IgnoreDot {
		text = &untilDot{r: text}
	}
	head, header, err := spool.ReadHeader(text)
	if err != nil {
		return m.fail(codeOf(err, exitIOErr), fmt.Errorf("reading the mail: %w", err))
	}
	e, code, err := m.envelope(header)
	if err != nil {
		return m.fail(code, err)
	}
	from := ""
	if m.s.EnvelopeSet {
		from = strings.Trim(m.s.Envelope, "<>")
	}
	_, err = m.drop(e, io.MultiReader(bytes.NewReader(m.missing(header, head, from)), bytes.NewReader(head), text))
	if err != nil {
		return m.fail(codeOf(err, exitTempFail), err)
	}
	return ExitOK
}

// envelope finds sender and recipients. An error comes with its exit code.
func (m *sender) envelope(header []byte) (e *spool.Envelope, code int, err error) {
	domain := m.cfg.LocalDomain()
	e = &spool.Envelope{CLI: &spool.Command{Command: m.command, Arguments: m.args}}
	if e.Recipients, err = spool.Qualified(m.s.Addresses, domain); err != nil {
		return nil, exitNoUser, fmt.Errorf("recipient %w", err)
	}
	if m.s.ExtractRecipients {
		named, err := spool.Recipients(header, domain)
		if err != nil {
			return nil, exitDataErr, fmt.Errorf("the header of the mail names a recipient: %w", err)
		}
		if e.Recipients, err = spool.Qualified(append(e.Recipients, named...), domain); err != nil {
			return nil, exitDataErr, err
		}
		if len(e.Recipients) == 0 {
			return nil, exitDataErr, errors.New("the mail names no recipients; expected addresses in To, Cc or Bcc")
		}
	}
	if m.s.Notify != nil || m.s.Ret != "" || m.s.EnvID != "" {
		e.DSN = &spool.DSN{Notify: m.s.Notify, Ret: m.s.Ret, EnvID: m.s.EnvID}
	}
	sender := cmp.Or(spool.Sender(header, "x-mq-envelope", "return-path", "sender", "from"), m.user()+"@"+domain)
	if m.s.EnvelopeSet {
		if sender = strings.TrimSuffix(strings.TrimPrefix(m.s.Envelope, "<"), ">"); sender != "" {
			one, err := spool.Qualified([]string{sender}, domain)
			if err != nil {
				return nil, exitUsage, fmt.Errorf("sender %w", err)
			}
			sender = one[0]
		}
	}
	e.Sender = &sender
	return e, ExitOK, nil
}

// missing returns the fields that a mail needs and does not have (RFC 5322 §3.6), and an empty line before a mail that
// has no header at all. From is that of the envelope, where that is an address with its domain.
func (m *sender) missing(header, head []byte, sender string) []byte {
	var out []byte
	domain := m.cfg.LocalDomain()
	lacks := func(name string) bool { _, found := mailheader.Find(header, name); return !found }
	if lacks("date") {
		out = mailheader.AppendField(out, "Date", time.Now().Format(time.RFC1123Z))
	}
	if lacks("from") {
		from := m.user() + "@" + domain
		if strings.Contains(sender, "@") {
			from = sender
		}
		if m.s.FullName != "" {
			from = fmt.Sprintf("%s <%s>", spool.Phrase(m.s.FullName), from)
		}
		out = mailheader.AppendField(out, "From", from)
	}
	if lacks("message-id") {
		out = mailheader.AppendField(out, "Message-ID", "<"+strings.ToLower(rand.Text())+"@"+domain+">")
	}
	if len(header) == 0 && len(head) > 0 {
		out = append(out, "\r\n"...)
	}
	return out
}

// user is the name of who runs this program.
func (m *sender) user() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return fmt.Sprint("uid", os.Getuid())
}

// drop puts a mail into the spool directory, and returns when it is durable there.
func (m *sender) drop(e *spool.Envelope, mail io.Reader) (name string, err error) {
	d, err := spool.NewDrop(m.cfg.DropDirectory(), e)
	if err != nil {
		return "", m.explain(err)
	}
	limit := m.cfg.SMTPMaxSize
	if limit > 0 {
		mail = io.LimitReader(mail, limit+1)
	}
	source := &readfault.Reader{Reader: mail}
	n, err := d.ReadFrom(source)
	switch {
	case source.Err != nil:
		err = coded{exitIOErr, fmt.Errorf("reading the mail: %w", source.Err)}
	case err == nil && limit > 0 && n > limit:
		err = coded{exitDataErr, fmt.Errorf("the mail is larger than %d bytes, which is smtp-maxsize", limit)}
	}
	if err != nil {
		d.Abort()
		return "", m.explain(err)
	}
	name, err = d.Commit()
	return name, m.explain(err)
}

// explain names the directory where the error does not tell what to do.
func (m *sender) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: the server makes this directory when it starts; spool-directory names another", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: spool-directory must be one that every sender may write to", err)
	}
	return err
}

// coded is an error with its exit code.
type coded struct {
	code int
	error
}

func (c coded) Unwrap() error { return c.error }

// codeOf returns the exit code of an error.
func codeOf(err error, otherwise int) int {
	if c, ok := errors.AsType[coded](err); ok {
		return c.code
	}
	switch {
	case errors.Is(err, spool.ErrHeaderTooLarge):
		return exitDataErr
	case errors.Is(err, fs.ErrPermission):
		return exitNoPerm
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EROFS):
		return exitCantCreat
	}
	return otherwise
}

// list is mailq: the mails that the server has not picked up, and with a token what the server has.
func (m *sender) list() int {
	dir := m.cfg.DropDirectory()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return m.fail(codeOf(err, exitUnavailable), err)
	}
	n := 0
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		n++
		fmt.Fprintf(m.stdout, "%-30q %10d %s\n", e.Name(), info.Size(), info.ModTime().Format(time.RFC3339))
	}
	if n == 0 {
		fmt.Fprintf(m.stdout, "No mail waits in %s.\n", dir)
	}
	if !slices.ContainsFunc(m.environ, func(v string) bool { return strings.HasPrefix(v, ctl.TokenVariable+"=") }) {
		fmt.Fprintf(m.stdout, "With a token in %s, or in the console, you see what the server has.\n", ctl.TokenVariable)
		return ExitOK
	}
	queued := &ctl.Command{Name: filepath.Base(m.command), Stdout: m.stdout, Stderr: m.stderr, Environ: m.environ,
		Server: func(string) (ctl.Server, error) { return consoleServer(m.cfg) }}
	return queued.Run(context.Background(), []string{"messages"})
}
