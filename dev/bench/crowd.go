package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// What the rows crowd and crowd+tls have: so many paths with so many connections in all, at whose ends each reply takes
// its time, and a mail size that says little.
const (
	crowdPaths       = 500
	crowdConnections = 10_000
	crowdReply       = 2 * time.Second
	crowdMails       = 6 * crowdConnections
)

// crowd runs mtad with ten thousand connections out, each of which waits most of the time, and tells what one takes of
// its memory. Beside them a mail at a time goes to a target that answers at once: how long each takes shows whether the
// crowd stands in its way.
func (b *bench) crowd(work string, secured bool) (f figures, err error) {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Minute)
	defer cancel()
	slow := &smtptest.Sink{Latency: crowdReply, MaxConnections: 2 * crowdConnections}
	if secured {
		if slow.TLS, _, err = smtptest.SelfSigned(); err != nil {
			return f, err
		}
	}
	quick := &smtptest.Sink{}
	routes, err := crowdTargets(slow, quick)
	if err != nil {
		return f, err
	}
	defer slow.Close()
	defer quick.Close()
	file, in := filepath.Join(work, "routes"), freePort()
	if err := os.WriteFile(file, []byte(routes), 0o644); err != nil {
		return f, err
	}
	database := "sqlite://" + filepath.Join(work, "settings.db")
	if err := eager(ctx, database); err != nil {
		return f, err
	}
	relay, err := b.program(b.bin("mtad"), "--config-file", "/dev/null", "--smtp-ip", "127.0.0.1", "--smtp-port", in,
		"--smtp-range", "127.0.0.0/8", "--www-port", "0", "--smtp-routes", file, "--queue-address",
		"disk://"+filepath.Join(work, "queue"), "--smtp-connections-out", fmt.Sprint(crowdConnections+10),
		"--smtp-connections", fmt.Sprint(crowdConnections+200),
		"--domain-maxconnections", fmt.Sprint(crowdConnections/crowdPaths), "--database-address", database)
	if err != nil {
		return f, err
	}
	defer relay.stop()
	if err := waitPort(ctx, in); err != nil {
		return f, err
	}
	before, empty := relay.usage(), resident(relay)
	load := &smtptest.Source{Address: "127.0.0.1:" + in, Sessions: 20, Messages: crowdMails, Size: 2 << 10,
		Domains: smtptest.Domains(crowdPaths, "slow.test")}
	start := time.Now()
	if _, err := load.Run(ctx); err != nil {
		return f, err
	}
	accepted := time.Since(start)
	passing := &passer{in: "127.0.0.1:" + in, quick: quick}
	var most int64
	var each float64
	for slow.Stats().Recipients < crowdMails {
		if err := passing.send(ctx); err != nil {
			return f, err
		}
		if open := slow.Stats().Open; open > most {
			most = open
			each = float64(resident(relay)-empty) / float64(open) / 1024
		}
	}
	total, after := time.Since(start), relay.usage()
	f.accepted, f.delivered = crowdMails/accepted.Seconds(), crowdMails/total.Seconds()
	f.cpu = (after.cpu - before.cpu).Seconds() / crowdMails * 1000
	f.written, f.rss = float64(after.written-before.written)/crowdMails, float64(after.rss)/(1<<20)
	log.Printf("%d connections over %d paths: %.0f KiB of memory for each; %d mails passed by them, the slowest in %v",
		most, crowdPaths, each, passing.mails, passing.slowest.Round(time.Millisecond))
	return f, nil
}

// eager makes a throttle that has a connection for each message that waits.
func eager(ctx context.Context, address string) error {
	db, err := settings.Open(ctx, address, settings.Options{})
	if err != nil {
		return err
	}
	throttle := settings.Capacity{Name: "eager", Limits: settings.FallBackLimits(), Enabled: true}
	throttle.Limits.ConnectionMinMessages = 1
	err = settings.Insert(ctx, db, &throttle)
	if err == nil {
		err = settings.Insert(ctx, db, &settings.CapacityRule{Capacity: throttle.ID, Enabled: true})
	}
	return errors.Join(err, db.Close())
}

// crowdTargets has the slow sink listen for each path at an address of its own, and returns the routes there.
func crowdTargets(slow, quick *smtptest.Sink) (routes string, err error) {
	var text strings.Builder
	listen := func(sink *smtptest.Sink, domain, ip string) error {
		l, err := net.Listen("tcp", ip+":0")
		if err != nil {
			return err
		}
		go sink.Serve(l)
		fmt.Fprintf(&text, "%s:%s\n", domain, l.Addr())
		return nil
	}
	for i, domain := range smtptest.Domains(crowdPaths, "slow.test") {
		err = errors.Join(err, listen(slow, domain, fmt.Sprintf("127.1.%d.%d", i/250, i%250+1)))
	}
	err = errors.Join(err, listen(quick, "quick.test", "127.0.0.1"))
	return text.String(), err
}

// passer sends mails to the quick target, one after the other.
type passer struct {
	in      string
	quick   *smtptest.Sink
	mails   int64
	slowest time.Duration
}

// send sends a mail and waits until it has arrived, and at least a tenth of a second.
func (p *passer) send(ctx context.Context) error {
	begun := time.Now()
	one := &smtptest.Source{Address: p.in, Messages: 1, Size: 2 << 10, Domains: []string{"quick.test"}}
	if _, err := one.Run(ctx); err != nil {
		return err
	}
	p.mails++
	for p.quick.Stats().Recipients < p.mails {
		if ctx.Err() != nil {
			return fmt.Errorf("a mail was stuck behind the crowd: %w", ctx.Err())
		}
		time.Sleep(time.Millisecond)
	}
	p.slowest = max(p.slowest, time.Since(begun))
	time.Sleep(100*time.Millisecond - min(time.Since(begun), 100*time.Millisecond))
	return nil
}

// resident is the memory of a program now.
func resident(r *relay) int64 { return field(r.pid, "status", "VmRSS:") << 10 }
