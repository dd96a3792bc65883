package command

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/sluicemail/sluice/smtpin"
	"github.com/sluicemail/sluice/smtpin/spool"
)

// serve speaks SMTP on standard input and output, as git send-email and mail programs have it of sendmail -bs.
func (m *sender) serve() int {
	ended := make(chan struct{})
	server := &smtpin.Server{
		Backend: smtpin.BackendFunc(func(context.Context, *smtpin.Conn) (smtp.Session, error) {
			return &dialogue{m: m}, nil
		}),
		Hostname: m.cfg.HELO(), DefaultDomain: m.cfg.LocalDomain(), MaxSize: m.cfg.SMTPMaxSize,
		MaxRecipients: m.cfg.SMTPMaxRecipients, Timeout: m.cfg.SMTPTimeout, DSN: true, SMTPUTF8: true,
		LineEnds: smtpin.NormaliseBare, Logger: slog.New(slog.DiscardHandler),
	}
	conn := &stdio{Reader: m.stdin, Writer: m.stdout, closed: sync.OnceFunc(func() { close(ended) })}
	go func() { _ = server.Serve(&only{conn: conn, ended: ended}) }()
	<-ended
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = server.Shutdown(ctx)
	return ExitOK
}

// dialogue is a session whose mails go into the spool directory.
type dialogue struct {
	m    *sender
	from string
	opts smtp.MailOptions
	to   []string
	dsn  *spool.DSN
}

func (d *dialogue) Reset()        { d.from, d.opts, d.to, d.dsn = "", smtp.MailOptions{}, nil, nil }
func (d *dialogue) Logout() error { return nil }

func (d *dialogue) Mail(from string, opts *smtp.MailOptions) error {
	d.Reset()
	d.from = from
	if opts != nil && (opts.Return != "" || opts.EnvelopeID != "") {
		d.dsn = &spool.DSN{Ret: string(opts.Return), EnvID: opts.EnvelopeID}
	}
	return nil
}

func (d *dialogue) Rcpt(to string, opts *smtp.RcptOptions) error {
	d.to = append(d.to, to)
	if opts != nil && len(opts.Notify) > 0 { // what the first asks for holds for all
		if d.dsn == nil {
			d.dsn = new(spool.DSN)
		}
		if d.dsn.Notify == nil {
			for _, n := range opts.Notify {
				d.dsn.Notify = append(d.dsn.Notify, string(n))
			}
		}
	}
	return nil
}

func (d *dialogue) Data(r io.Reader) error {
	e := &spool.Envelope{Sender: &d.from, Recipients: d.to, DSN: d.dsn,
		CLI: &spool.Command{Command: d.m.command, Arguments: d.m.args}}
	head, header, err := spool.ReadHeader(r)
	if err == nil {
		mail := io.MultiReader(bytes.NewReader(d.m.missing(header, head, d.from)), bytes.NewReader(head), r)
		_, err = d.m.drop(e, mail)
	}
	if err != nil {
		if reply, ok := errors.AsType[*smtp.SMTPError](err); ok {
			return reply
		}
		if errors.Is(err, spool.ErrHeaderTooLarge) {
			return &smtp.SMTPError{Code: 552, EnhancedCode: smtp.EnhancedCode{5, 3, 4}, Message: err.Error()}
		}
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0},
			Message: "The mail cannot be stored: " + err.Error()}
	}
	return nil
}

// stdio is standard input and output as a connection.
type stdio struct {
	io.Reader
	io.Writer
	closed func()
}

func (c *stdio) Close() error                     { c.closed(); return nil }
func (c *stdio) LocalAddr() net.Addr              { return &net.UnixAddr{Name: "stdio", Net: "unix"} }
func (c *stdio) RemoteAddr() net.Addr             { return &net.UnixAddr{Name: "stdio", Net: "unix"} }
func (c *stdio) SetDeadline(time.Time) error      { return nil }
func (c *stdio) SetReadDeadline(time.Time) error  { return nil }
func (c *stdio) SetWriteDeadline(time.Time) error { return nil }

// only is a listener for one connection.
type only struct {
	conn  net.Conn
	ended <-chan struct{}
	given bool
}

func (o *only) Accept() (net.Conn, error) {
	if !o.given {
		o.given = true
		return o.conn, nil
	}
	<-o.ended
	return nil, net.ErrClosed
}

func (o *only) Close() error   { return nil }
func (o *only) Addr() net.Addr { return o.conn.LocalAddr() }
