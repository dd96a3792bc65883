// Command screenshots shows the console to a browser and keeps what that sees: it starts the demo, logs in, and goes
// through every page of the side bar, the first row of every table that leads to a page of its own, and a few pages
// more; each on a light, a dark, and a narrow screen. With --docs it also makes the images of the README. With --audit
// it holds what the browser shows against the rules of accessibility instead. With --mails it shows the browser the
// mails of a folder of objects instead, on screens of 320, 600 and 1200 pixels.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

type options struct {
	Out    string        `default:"screenshots" type:"path" help:"Folder for the pictures."`
	Docs   string        `type:"path" help:"Folder for the two images of the README."`
	Settle time.Duration `default:"70s" help:"For how long mail flows before the first picture."`
	Mails  string        `type:"path" help:"Folder of mime objects: pictures of their mails instead."`
	Only   string        `help:"Only pages whose names begin with this."`
	Audit  bool          `help:"Hold every page on every screen against the rules of axe-core: findings instead of pictures."`
}

func main() {
	var o options
	kong.Parse(&o, kong.Name("screenshots"), kong.Description("Takes pictures of every page of the console."))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, &o); err != nil {
		fmt.Fprintln(os.Stderr, "screenshots:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options) error {
	if err := os.MkdirAll(o.Out, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "sluice-screenshots-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if o.Mails != "" {
		b, err := startBrowser(ctx, filepath.Join(work, "profile"))
		if err != nil {
			return err
		}
		defer b.close()
		return mails(ctx, b, o)
	}
	d, err := startDemo(ctx, work)
	if err != nil {
		return err
	}
	defer d.stop()
	b, err := startBrowser(ctx, filepath.Join(work, "profile"))
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.logIn(d); err != nil {
		return err
	}
	fmt.Printf("Mail flows; the first picture is taken in %v.\n", o.Settle)
	select {
	case <-time.After(o.Settle):
	case <-ctx.Done():
		return ctx.Err()
	}
	if o.Docs != "" {
		if err := b.images(d, o.Docs); err != nil {
			return err
		}
	}
	if o.Audit {
		return b.audit(d, o)
	}
	return b.album(d, o)
}
