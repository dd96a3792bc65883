// Source is a load generator: it sends numbered mails over many SMTP sessions and says how many were taken, how fast,
// and what was refused. Together with sink it tells whether each mail arrived, once and undamaged.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"

	"github.com/sluicemail/sluice/internal/smtptest"
)

type options struct {
	Connect       string        `default:"127.0.0.1:2525" help:"Address to send to."`
	AllowRemote   bool          `help:"Permit an address that is not on loopback."`
	Sessions      int           `default:"20" help:"Sessions at a time."`
	Messages      int64         `default:"1000" help:"Mails to send; 0 means until --max-time."`
	Size          string        `default:"10KiB" help:"Size of a mail, header included."`
	Rcpts         int           `default:"1" help:"Recipients of each mail."`
	Domains       string        `default:"sink.test" help:"Recipient domains: a list with commas, or a count."`
	From          string        `default:"source@source.test" help:"Sender."`
	PerConnection int           `help:"Mails on each connection; 0 means all."`
	Rate          float64       `help:"Mails a second, all sessions together; 0 means as many as possible."`
	Seq           bool          `default:"true" negatable:"" help:"Number the recipients, so that sink can tell what arrived."`
	First         int64         `default:"1" help:"Number of the first recipient."`
	IDs           string        `name:"ids" help:"File to write the numbers of accepted recipients to, one a line."`
	Personal      bool          `help:"Give each mail a text of its own."`
	Serial        bool          `help:"Wait for each reply instead of pipelining."`
	StartTLS      bool          `name:"starttls" help:"Use STARTTLS; certificates are not verified."`
	Header        []string      `help:"More header lines, such as 'x-mq-tag: news'."`
	MaxTime       time.Duration `default:"10m" help:"End after this time in any case."`
	Progress      bool          `help:"Show progress each second."`
}

func main() {
	var o options
	kong.Parse(&o, kong.Name("source"), kong.Description("Sends mail over SMTP, as fast as it is taken."))
	if err := run(&o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "source:", err)
		os.Exit(1)
	}
}

func run(o *options, out io.Writer) error {
	s, err := newSource(o)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, o.MaxTime)
	defer cancel()
	ids, err := openIDs(o.IDs, s)
	if err != nil {
		return err
	}
	ended := progress(o, s)
	report, err := s.Run(ctx)
	ended()
	if err := ids(); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	printReport(out, report)
	if o.Messages > 0 && report.Accepted < o.Messages {
		return fmt.Errorf("%d of %d mails were not accepted", o.Messages-report.Accepted, o.Messages)
	}
	return nil
}

func newSource(o *options) (*smtptest.Source, error) {
	size, err := humanize.ParseBytes(o.Size)
	if err != nil || size > 1<<30 {
		return nil, fmt.Errorf("--size %q: expected a size such as 10KiB, at most 1GiB", o.Size)
	}
	s := &smtptest.Source{
		Address: o.Connect, AllowRemote: o.AllowRemote, Sessions: o.Sessions, Messages: o.Messages, First: o.First,
		Size: int(size), Recipients: o.Rcpts, From: o.From, PerConnection: o.PerConnection, Rate: o.Rate,
		NoNumbers: !o.Seq, Personal: o.Personal, Serial: o.Serial, Domains: strings.Split(o.Domains, ","),
	}
	if n, err := strconv.Atoi(o.Domains); err == nil {
		if n < 1 || n > 1_000_000 {
			return nil, fmt.Errorf("--domains %d: expected 1 to 1000000", n)
		}
		s.Domains = smtptest.Domains(n, "sink.test")
	}
	if o.StartTLS {
		s.TLS = &tls.Config{InsecureSkipVerify: true} // load is not secret, and test servers sign for themselves
	}
	for _, h := range o.Header {
		if strings.ContainsAny(h, "\r\n") || !strings.Contains(h, ":") {
			return nil, fmt.Errorf("--header %q: expected one line, name: value", h)
		}
		s.Header += h + "\r\n"
	}
	return s, nil
}

// openIDs makes s write the numbers that are accepted to a file, and returns what finishes that file.
func openIDs(name string, s *smtptest.Source) (closeIDs func() error, err error) {
	if name == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	w := bufio.NewWriterSize(f, 1<<16)
	var line []byte
	s.Accepted = func(numbers []int64) {
		mu.Lock()
		defer mu.Unlock()
		for _, n := range numbers {
			line = append(strconv.AppendInt(line[:0], n, 10), '\n')
			_, _ = w.Write(line)
		}
	}
	return func() error {
		mu.Lock()
		defer mu.Unlock()
		if err := w.Flush(); err != nil {
			return err
		}
		return f.Close()
	}, nil
}

// progress shows how far s is until the returned function is called.
func progress(o *options, s *smtptest.Source) (ended func()) {
	if !o.Progress {
		return func() {}
	}
	total := o.Messages
	if total == 0 {
		total = -1
	}
	bar := progressbar.NewOptions64(total, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionShowCount(),
		progressbar.OptionShowIts(), progressbar.OptionSetItsString("msg"), progressbar.OptionSetDescription("sent"))
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-quit:
				_ = bar.Set64(s.Finished())
				_ = bar.Exit()
				fmt.Fprintln(os.Stderr)
				return
			case <-ticker.C:
				_ = bar.Set64(s.Finished())
			}
		}
	}()
	return func() { close(quit); <-done }
}

func printReport(out io.Writer, r *smtptest.Report) {
	fmt.Fprintf(out, "accepted %s mails for %s recipients in %s: %.0f msg/s\n", humanize.Comma(r.Accepted),
		humanize.Comma(r.Recipients), r.Elapsed.Round(time.Millisecond), r.PerSecond())
	l := &r.Latency
	fmt.Fprintf(out, "latency p50 %s p90 %s p99 %s max %s\n", round(l.Quantile(.5)), round(l.Quantile(.9)),
		round(l.Quantile(.99)), round(l.Max()))
	for _, code := range smtptest.Reasons(r.Refused) {
		fmt.Fprintf(out, "reply %d: %d\n", code, r.Refused[code])
	}
	for _, reason := range smtptest.Reasons(r.Errors) {
		fmt.Fprintf(out, "%s: %d\n", reason, r.Errors[reason])
	}
	if r.Unknown > 0 {
		fmt.Fprintf(out, "outcome unknown: %d\n", r.Unknown)
	}
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
