// Demo shows mtad at work, with nothing to set up: it starts the server, an internet that exists on this machine only,
// and steady traffic, and prints where the console is and how to log in.
//
//	go run ./examples/demo
//
// The internet consists of a DNS server and of mail providers that accept, throttle, greylist, refuse, hang, or do not
// exist. All of mtad's source addresses are behind proxies of the demo, which know nothing but these providers, and its
// only name server is the demo's: so no mail leaves loopback. The settings are those an operator would have made:
// throttles, a flood pattern, a warm-up, pools, pauses, rewrite rules. Everything is real but the data.
//
// What it writes is in a temporary directory, removed in the end, unless --dir names one to keep.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

type options struct {
	Port int           `default:"8485" help:"Port of the console; 0 for any that is free."`
	Rate float64       `default:"40" help:"Mails a second."`
	Dir  string        `type:"path" help:"Directory for queue, settings and logs, which is kept; without one it is a temporary one."`
	For  time.Duration `help:"End after this time."`
}

func main() {
	var o options
	kong.Parse(&o, kong.Name("demo"), kong.Description("Shows mtad at work, on this machine only."))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, &o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run shows everything until ctx or the time limit ends it.
func run(ctx context.Context, o *options, out io.Writer) (err error) {
	if o.Rate < 0 {
		return errors.New("--rate: expected a number of mails a second, 0 or more")
	}
	if o.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.For)
		defer cancel()
	}
	d := &demo{out: out}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.open(ctx, o); err != nil {
		if ctx.Err() != nil {
			return nil // stopped before it had begun
		}
		return err
	}
	d.welcome()
	return d.traffic(ctx, o.Rate)
}
