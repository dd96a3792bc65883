// Sink receives mail over SMTP and forgets it: the far end for trying out and measuring a mail server. It can be slow,
// refuse, defer, greylist, hang and close, by share, by script, or by the recipient's name (reject@…, …@defer.example,
// …@hang-dot.example, …@452.example). With --expect it ends when so many recipients have arrived, and says which
// numbers of source came twice or not at all. With --profile it plays a provider, with limits and answers like theirs.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/sluicemail/sluice/internal/smtptest"
)

type options struct {
	Listen         string        `default:"127.0.0.1:2626" help:"Address to listen on."`
	Hostname       string        `default:"sink.test" help:"Name in the greeting."`
	Latency        time.Duration `help:"Wait before each flight of replies."`
	NoPipelining   bool          `help:"Do not announce PIPELINING."`
	StartTLS       bool          `name:"starttls" help:"Offer STARTTLS with a certificate made now."`
	MaxConnections int           `default:"10000" help:"Open connections; more are answered 421."`
	MaxMessages    int           `help:"Mails on one connection; then 421."`
	MaxSize        int64         `help:"Largest mail in bytes; then 552."`

	Profile   string        `enum:",gmail,greylist,microsoft,tarpit,yahoo" default:"" help:"Provider to play: gmail, microsoft or yahoo with their limits for each client address; greylist or tarpit."`
	PerMinute int           `help:"Mails a minute from one client address, instead of the profile's limit."`
	PerClient int           `help:"Open connections from one client address, instead of the profile's limit."`
	Wait      time.Duration `help:"Time of greylisting, or before each reply of the tar-pit, instead of the profile's."`

	Stage    string  `default:"rcpt" enum:"connect,helo,mail,rcpt,data,dot" help:"Where the shares below apply (${enum})."`
	Accept   float64 `help:"Share (0 to 1) that is accepted; the rest is deferred, unless other shares are given."`
	Reject   float64 `help:"Share that is rejected for good."`
	Defer    float64 `help:"Share that is deferred."`
	Greylist float64 `help:"Share that is greylisted for 10 s."`
	Hang     float64 `help:"Share that gets no answer any more."`
	Close    float64 `help:"Share whose connection is closed."`
	Script   string  `type:"existingfile" help:"File of rules: stage [share%] pattern action, one a line."`
	NoNames  bool    `help:"Recipients do not choose their fate by name."`

	Expect   int64         `help:"End when this many recipients have arrived, each number counted once."`
	IDs      string        `name:"ids" type:"existingfile" help:"File of numbers that source wrote: check in the end that each has arrived."`
	Verify   bool          `help:"Check the sums that source puts into its mails."`
	Dump     string        `help:"Directory to store mails in."`
	Progress bool          `help:"Show progress each second."`
	MaxTime  time.Duration `help:"End after this time in any case."`
}

func main() {
	var o options
	kong.Parse(&o, kong.Name("sink"), kong.Description("Receives mail over SMTP and forgets it."))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	l, err := net.Listen("tcp", o.Listen)
	if err == nil {
		fmt.Fprintln(os.Stderr, "sink: listening on", l.Addr())
		var ok bool
		if ok, err = run(ctx, &o, l, os.Stdout); err == nil && !ok {
			os.Exit(1)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sink:", err)
		os.Exit(2)
	}
}

// run receives until ctx, the time limit or the expected number ends it, and reports whether nothing was amiss.
func run(ctx context.Context, o *options, l net.Listener, out io.Writer) (ok bool, err error) {
	defer l.Close()
	sink, err := newSink(o)
	if err != nil {
		return false, err
	}
	if o.MaxTime > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.MaxTime)
		defer cancel()
	}
	served := make(chan error, 1)
	go func() { served <- sink.Serve(l) }()
	watch := newWatch(sink, o, out)
	err = watch.until(ctx, served)
	_ = sink.Close()
	watch.summary()
	if err != nil {
		return false, err
	}
	return watch.check(o)
}

func newSink(o *options) (*smtptest.Sink, error) {
	s := &smtptest.Sink{
		Hostname: o.Hostname, Latency: o.Latency, NoPipelining: o.NoPipelining, NoNames: o.NoNames,
		MaxConnections: o.MaxConnections, MaxMessages: o.MaxMessages, MaxSize: o.MaxSize,
		Verify: o.Verify, Expect: o.Expect,
	}
	var err error
	if o.StartTLS {
		if s.TLS, _, err = smtptest.SelfSigned(o.Hostname, "localhost", "127.0.0.1"); err != nil {
			return nil, err
		}
	}
	if o.Script != "" {
		text, err := os.ReadFile(o.Script)
		if err != nil {
			return nil, err
		}
		if s.Rules, err = smtptest.ParseScript(string(text)); err != nil {
			return nil, fmt.Errorf("%s: %w", o.Script, err)
		}
	}
	if o.Profile != "" {
		rules, err := smtptest.Profile{Name: o.Profile, Open: o.PerClient, PerConn: o.MaxMessages, PerMinute: o.PerMinute,
			Wait: o.Wait}.Rules()
		if err != nil {
			return nil, err
		}
		s.Rules, s.MaxMessages = append(s.Rules, rules...), 0
	}
	shares, err := shareRules(o)
	if err != nil {
		return nil, err
	}
	s.Rules = append(s.Rules, shares...)
	if o.Dump != "" {
		if err := os.MkdirAll(o.Dump, 0o750); err != nil {
			return nil, err
		}
		s.Received = dumper(o.Dump)
	}
	return s, nil
}

// shareRules turns the share flags into rules. Each rule sees only what the ones before it let pass, so that its share
// is that of the remainder.
func shareRules(o *options) ([]smtptest.Rule, error) {
	stage, err := smtptest.ParseStage(o.Stage)
	if err != nil {
		return nil, err
	}
	others := o.Reject + o.Greylist + o.Hang + o.Close
	if o.Accept > 0 && o.Defer == 0 && o.Accept+others < 1 {
		o.Defer = 1 - o.Accept - others
	}
	shares := []struct {
		share float64
		what  string
	}{{o.Reject, "reject"}, {o.Defer, "defer"}, {o.Greylist, "greylist"}, {o.Hang, "hang"}, {o.Close, "close"}}
	var rules []smtptest.Rule
	left := 1.0
	for _, s := range shares {
		if s.share < 0 || s.share > left+1e-9 {
			return nil, fmt.Errorf("--%s %g: shares lie between 0 and 1, and so does their sum", s.what, s.share)
		}
		if s.share == 0 {
			continue
		}
		action, err := smtptest.ParseAction(stage, s.what)
		if err != nil {
			return nil, err
		}
		rules = append(rules, smtptest.Rule{Stage: stage, Share: min(s.share/left, 1), Action: action})
		left -= s.share
	}
	return rules, nil
}
