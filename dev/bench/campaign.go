package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/disk"
)

// campaign has mtad deliver mails that wait in its queue, in the row queued as they are, and in the row personalised
// with values filled into each: every mail is in the queue by itself, as publishers put it there, and is the same text.
func (b *bench) campaign(work string, s scenario, personalised bool) (f figures, err error) {
	if err := enqueue(b.ctx, filepath.Join(work, "queue"), s, personalised); err != nil {
		return f, err
	}
	in, out := freePort(), freePort()
	sink := exec.CommandContext(b.ctx, b.bin("sink"), "--listen", "127.0.0.1:"+out, "--latency", s.latency.String(),
		"--expect", strconv.Itoa(s.messages), "--max-time", "3m")
	if err := sink.Start(); err != nil {
		return f, err
	}
	defer func() { sink.Process.Kill(); sink.Wait() }()
	if err := waitPort(b.ctx, out); err != nil {
		return f, err
	}
	start := time.Now()
	relay, err := b.start("mtad", work, in, out)
	if err != nil {
		return f, err
	}
	defer relay.stop()
	if err := sink.Wait(); err != nil {
		return f, errors.Join(errors.New("not everything arrived"), err)
	}
	total, used, n := time.Since(start), relay.usage(), float64(s.messages)
	return figures{
		delivered: n / total.Seconds(),
		cpu:       used.cpu.Seconds() / n * 1000,
		written:   float64(used.written) / n,
		rss:       float64(used.rss) / (1 << 20),
	}, nil
}

// enqueue puts the mails of a campaign into a queue. Tags and values are about as long as what they stand for.
func enqueue(ctx context.Context, dir string, s scenario, personalised bool) error {
	size, err := humanize.ParseBytes(s.size)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("From: shop@source.test\r\nTo: {$name} <{$recipient}>\r\nSubject: Hi {$name}\r\n"+
		"X-Sluice-Seq: 1/%d\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n", s.messages)
	paragraph := strings.Repeat("<p>Plenty of text around it, as mails have.</p>\r\n", 20) +
		"<p>Dear {$name|escape},</p>\r\n"
	text += strings.Repeat(paragraph, max(int(size)-len(text), 0)/len(paragraph)+1)
	if !personalised {
		text = strings.NewReplacer("{$name}", "Ann Ash", "{$name|escape}", "Ann Ash", "{$recipient}",
			"ann@sink.test").Replace(text)
	}
	q, err := disk.Open(dir, disk.Options{})
	if err != nil {
		return err
	}
	defer q.Close()
	for i := 0; i < s.messages; {
		var items []queue.Item
		for ; i < s.messages && len(items) < 500; i++ {
			m := &queue.Message{ID: strconv.Itoa(i), Envelope: "source@source.test",
				Recipient: fmt.Sprintf("s%d@sink.test", i+1), Body: queue.Bytes([]byte(text))} // each of its own
			if personalised {
				m.Data = fmt.Appendf(nil, `{"name": "Ann %d", "city": "Delft", "total-price": 12.5}`, i)
			}
			items = append(items, queue.Item{Queue: "outbox", Message: m})
		}
		if err := q.Publish(ctx, items...); err != nil {
			return err
		}
	}
	return nil
}
