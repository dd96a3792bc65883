// Command bench measures what a mail costs: it sends the same load through the relay, through the ceiling (a program
// that does nothing but receive, commit and send), and through Postfix and RabbitMQ when they are installed, one after
// the other, and prints for each how many mails were accepted and delivered a second, the CPU time of the relay alone,
// the bytes it wrote, and its memory. Everything is on loopback, every mail is durable before it is accepted.
//
// What a broker can do shows beside mtad+rabbitmq in two rows. The row broker is a publisher and a consumer of as many
// messages, with nothing else on the machine. On few cores that is no limit for a relay, as the broker itself, which
// takes most of the time, then shares them with the source and the sink. The row broker+smtp has the publisher publish
// the mails of the source: the difference to mtad+rabbitmq is what mtad adds, its deliveries to the sink included.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sluicemail/sluice/dev/programs"
)

// scenario is one load.
type scenario struct {
	size     string
	sessions int
	messages int
	latency  time.Duration // of each reply of the sink
	full     bool          // signed, encrypted on both sides, so many mails a connection, no text twice
}

func main() {
	log.SetFlags(0)
	sizes := flag.String("sizes", "1KiB,10KiB", "sizes of the mails")
	sessions := flag.String("sessions", "20,100", "sessions at a time")
	messages := flag.Int("messages", 20000, "mails for each measurement; Postfix gets a quarter of them")
	relays := flag.String("relays", "ceiling,mtad,mtad+log,queued,personalised,postfix,full-ceiling,full-mtad,full-mtad-go,full-mtad-ed25519,full-postfix,broker,broker+smtp,mtad+rabbitmq",
		"what to measure: broker is RabbitMQ with nothing but a publisher and a consumer, broker+smtp the same beside the source; full-mtad, full-mtad-go, full-mtad-ed25519, full-ceiling and full-postfix receive and send over TLS and sign each mail; queued is mtad with mails that are in its queue already, personalised the same with values to be filled in; crowd and crowd+tls are mtad with 10,000 connections out over 500 paths whose ends take 2 s for a reply; mtad+watched is mtad with 50 browsers at the overview and 5 at the SMTP monitor")
	latency := flag.Duration("latency", 0, "delay of each flight of replies of the sink")
	carries := flag.Int("per-connection", 0, "mails over each connection of the full rows, in and out; 0: 20 out, any number in")
	rounds := flag.Int("rounds", 1, "how often to measure each; the relays take turns")
	profile := flag.String("cpuprofile", "", "have mtad write a CPU profile of the last measurement here")
	dir := flag.String("dir", "", "directory for queues, on a real disk; empty: a temporary one")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	b, err := newBench(ctx, *dir)
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(b.dir)
	b.profile, b.carries = *profile, *carries

	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table,
		"mail\tsessions\trelay\taccepted/s\tend to end/s\tCPU s per 1000\tbytes written per mail\tpeak RSS MiB\t")
	for _, size := range strings.Split(*sizes, ",") {
		for _, n := range numbers(*sessions) {
			for range *rounds {
				for _, relay := range strings.Split(*relays, ",") {
					s := scenario{size, n, *messages, *latency, strings.HasPrefix(relay, "full-")}
					if strings.HasSuffix(relay, "postfix") {
						s.messages /= 4
					}
					r, err := b.measure(relay, s)
					if err != nil {
						fmt.Fprintf(table, "%s\t%d\t%s\t%v\t\t\t\t\t\n", size, n, relay, err)
						continue
					}
					fmt.Fprintf(table, "%s\t%d\t%s\t%.0f\t%.0f\t%.3f\t%.0f\t%.0f\t\n", size, n, relay,
						r.accepted, r.delivered, r.cpu, r.written, r.rss)
				}
			}
		}
	}
	table.Flush()
}

func numbers(list string) []int {
	var out []int
	for _, s := range strings.Split(list, ",") {
		n, err := strconv.Atoi(s)
		if err != nil {
			log.Fatalf("-sessions: expected numbers with commas, got %q", s)
		}
		out = append(out, n)
	}
	return out
}

// bench knows the programs and where they may write.
type bench struct {
	ctx     context.Context
	dir     string
	profile string
	carries int // mails over each connection of the full rows; 0: 20 out, any number in
}

// newBench builds the programs.
func newBench(ctx context.Context, parent string) (*bench, error) {
	dir, err := os.MkdirTemp(parent, "sluice-bench-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // Postfix drops its privileges
		return nil, err
	}
	b := &bench{ctx: ctx, dir: dir}
	if err := programs.Build(ctx, dir, nil, "examples/mtad", "examples/source", "examples/sink",
		"dev/bench/ceiling"); err != nil {
		return nil, err
	}
	return b, nil
}

func (b *bench) bin(name string) string { return filepath.Join(b.dir, name) }

// figures are what one measurement yields.
type figures struct {
	accepted, delivered float64 // a second
	cpu                 float64 // seconds of the relay's CPU for 1000 mails
	written             float64 // bytes the relay wrote to disk, per mail
	rss                 float64 // MiB
}

// measure sends one load through one relay.
func (b *bench) measure(name string, s scenario) (f figures, err error) {
	in, out := freePort(), freePort()
	warm := warmUp(name, s)
	work, err := os.MkdirTemp(b.dir, "run-")
	if err != nil {
		return f, err
	}
	defer os.RemoveAll(work)
	if err := os.Chmod(work, 0o755); err != nil {
		return f, err
	}
	switch name {
	case "broker", "broker+smtp":
		return b.bare(work, s, name == "broker+smtp")
	case "crowd", "crowd+tls":
		return b.crowd(work, name == "crowd+tls")
	case "queued", "personalised":
		return b.campaign(work, s, name == "personalised")
	}
	takes := []string{"--listen", "127.0.0.1:" + out, "--latency", s.latency.String(),
		"--expect", strconv.Itoa(s.messages + warm.messages), "--max-time", "3m"}
	if s.full {
		takes = append(takes, "--starttls")
	}
	sink := exec.CommandContext(b.ctx, b.bin("sink"), takes...)
	if err := sink.Start(); err != nil {
		return f, err
	}
	defer func() { sink.Process.Kill(); sink.Wait() }()
	relay, err := b.start(name, work, in, out)
	if err != nil {
		return f, err
	}
	defer relay.stop()
	if err := waitPort(b.ctx, in); err != nil {
		return f, fmt.Errorf("%s does not listen: %w", name, err)
	}
	if err := waitPort(b.ctx, out); err != nil {
		return f, err
	}
	if err := b.load(in, warm, s.messages+1); err != nil {
		return f, err
	}
	before := relay.usage()
	start := time.Now()
	if err := b.load(in, s, 1); err != nil {
		return f, err
	}
	accepted := time.Since(start)
	done := make(chan error, 1)
	go func() { done <- sink.Wait() }()
	select {
	case <-done:
	case <-time.After(3 * time.Minute):
		return f, fmt.Errorf("not everything arrived")
	case <-b.ctx.Done():
		return f, b.ctx.Err()
	}
	total := time.Since(start)
	after := relay.usage()
	n := float64(s.messages)
	return figures{
		accepted:  n / accepted.Seconds(),
		delivered: n / total.Seconds(),
		cpu:       (after.cpu - before.cpu).Seconds() / n * 1000,
		written:   float64(after.written-before.written) / n,
		rss:       float64(after.rss) / (1 << 20),
	}, nil
}

// warmUp is the load before the load that is measured. It is large enough to fill the files that a queue goes on to use
// again and again, so that what is measured is a queue at work and not one that is being made.
func warmUp(relay string, s scenario) scenario {
	if strings.HasSuffix(relay, "postfix") {
		s.messages = 200 // a file for each mail: nothing is used again
		return s
	}
	if s.latency > 0 {
		s.messages = 20 // more would still be on their way
		return s
	}
	s.size, s.messages = "64KiB", 3000
	return s
}

// load runs the source once; its mails are numbered from first on.
func (b *bench) load(port string, s scenario, first int) error {
	args := []string{"--connect", "127.0.0.1:" + port, "--sessions", strconv.Itoa(s.sessions), "--size", s.size,
		"--first", strconv.Itoa(first), "--messages", strconv.Itoa(s.messages), "--max-time", "2m"}
	if s.full {
		args = append(args, "--starttls", "--personal", "--per-connection", strconv.Itoa(b.carries))
	}
	source := exec.CommandContext(b.ctx, b.bin("source"), args...)
	if text, err := source.CombinedOutput(); err != nil {
		return fmt.Errorf("source: %w: %s", err, strings.TrimSpace(string(text)))
	}
	return nil
}
