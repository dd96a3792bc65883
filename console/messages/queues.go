package messages

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/console/mailview"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

// queueNews is what the page of the queues shows, as live data too.
type queueNews struct {
	Counters []queueCounter `json:"counters"`
	Queues   []queueLine    `json:"queues"`
	Aside    []asideLine    `json:"aside"`
	More     int            `json:"more"` // reasons to set mail aside that are not in the list
	Problem  string         `json:"problem,omitempty"`
	Next     string         `json:"-"` // what to do about the problem
	At       time.Time      `json:"at,omitzero"`
}

// queueCounter is one of the figures on top.
type queueCounter struct {
	Key, Title, Meaning, Unit string
	Value                     int64
}

// queueLine is one queue.
type queueLine struct {
	Queue     string  `json:"queue"`
	Address   string  `json:"address"` // of its messages
	Inbox     bool    `json:"inbox"`   // mail injected here goes into it
	Ready     int     `json:"ready"`
	Delayed   int     `json:"delayed"`
	Parked    int     `json:"parked"`
	Out       int     `json:"out"`
	Bytes     int64   `json:"bytes"`
	Consumers int     `json:"consumers"` // programs that read it; negative: not known
	Change    float64 `json:"change"`    // messages a second, over the last readings
	Trend     string  `json:"trend"`     // points of a line in a box of 60 by 16
	Unknown   bool    `json:"unknown"`   // what it holds is not known now
}

// Depth is all that it holds.
func (l queueLine) Depth() int { return l.Ready + l.Delayed + l.Parked + l.Out }

// Growth is the change in words.
func (l queueLine) Growth() string {
	switch n := math.Abs(l.Change); {
	case n < 0.05:
		return "0"
	case n < 10:
		return fmt.Sprintf("%+.1f", l.Change)
	default:
		return fmt.Sprintf("%+.0f", l.Change)
	}
}

// asideLine is a reason for which messages are set aside.
type asideLine struct {
	Queue    string `json:"queue"`
	What     string `json:"what"`
	Address  string `json:"address"`
	Messages int    `json:"messages"`
}

const maxAside = 30

func (c *Messages) queues(v *frame.Visit) error {
	if v.R.URL.Query().Get("format") == "csv" {
		return c.exportQueues(v)
	}
	return v.Render("queues", c.queueNews())
}

func (c *Messages) queueNews() *queueNews {
	n := &queueNews{Queues: []queueLine{}, Aside: []asideLine{}}
	stats, at, err := c.Queues()
	if err == nil {
		all, _, failed := c.aside.Get()
		if failed == nil {
			n.Aside = append(n.Aside, all[:min(len(all), maxAside)]...)
			n.More = len(all) - len(n.Aside)
		}
	}
	n.Counters = c.queueCounters(len(n.Aside) + n.More)
	n.At = at
	if err != nil {
		shown := c.frame.Fault(err)
		n.Problem, n.Next = shown.What, shown.Next
		if len(stats) > 0 {
			n.Problem += " What the queues hold is not known since " + at.UTC().Format("15:04:05") + " UTC."
		}
	}
	for _, s := range stats {
		n.Queues = append(n.Queues, c.queueLine(s, at, err != nil))
	}
	return n
}

// queueLine is a queue as it was at a time, or only its name when that is not known any more.
func (c *Messages) queueLine(s queue.Stats, at time.Time, unknown bool) queueLine {
	l := queueLine{Queue: mailview.Printable(s.Queue), Address: "/messages?" + url.Values{"queue": {s.Queue}}.Encode(),
		Inbox: s.Queue == c.Admin.Inbox, Consumers: -1, Unknown: unknown}
	if unknown {
		return l
	}
	l.Ready, l.Delayed, l.Parked, l.Out, l.Bytes = s.Ready, s.Delayed, s.Parked, s.Out, s.Bytes
	consumers, _, err := c.consumers.Get()
	if k, ok := consumers[s.Queue]; ok && err == nil {
		l.Consumers = k
	}
	l.Change, l.Trend = c.depths.of(s.Queue, l.Depth(), at, c.Now())
	return l
}

// queueCounters are what happened in the last minute with what is in the queues.
func (c *Messages) queueCounters(temporary int) []queueCounter {
	s := c.Figures.Snapshot(monitor.Filter{})
	return []queueCounter{
		{"read", "From the queue", "messages that delivery read from its queue", "/60 s", s.Sum.Processed},
		{"rescheduled", "Rescheduled", "messages put back: to be tried later, or set aside", "/60 s",
			s.Sum.Retried + s.Sum.Parked},
		{"memory", "In memory", "messages that delivery has read and not finished", "now", s.Now.InMemory},
		{"success", "Success", "results of messages that were accepted", "/60 s", s.Sum.Delivered},
		{"failure", "Failure", "results of messages that failed for good, or were not tried", "/60 s",
			s.Sum.Errors + s.Sum.NotTried},
		{"retry", "Retry", "results of attempts that failed for now", "/60 s", s.Sum.Retried},
		{"temporary", "Temporary queues", "reasons for which messages are set aside: a domain, a tag, a pause", "now",
			int64(temporary)},
	}
}

// askConsumers returns how many programs read each queue, where the engine knows.
func (c *Messages) askConsumers(ctx context.Context) (map[string]int, error) {
	if counter, ok := c.Admin.Queue.(queue.ConsumerCounter); ok {
		return counter.Consumers(ctx)
	}
	return nil, nil
}

// askAside lists what is set aside, most messages first.
func (c *Messages) askAside(ctx context.Context) ([]asideLine, error) {
	parker, ok := c.Admin.Queue.(queue.Parker)
	if !ok {
		return nil, nil
	}
	stats, _, err := c.Queues()
	if err != nil {
		return nil, err
	}
	var all []asideLine
	for _, s := range stats {
		if s.Parked == 0 {
			continue
		}
		keys, err := parker.Parked(ctx, s.Queue)
		if err != nil {
			return nil, err
		}
		for key, count := range keys {
			all = append(all, asideOf(s.Queue, key, count))
		}
	}
	slices.SortFunc(all, func(a, b asideLine) int {
		return cmp.Or(b.Messages-a.Messages, strings.Compare(a.What, b.What))
	})
	return all, nil
}

func asideOf(name, key string, count int) asideLine {
	q := url.Values{"queue": {name}, "state": {queue.Parked.String()}}
	l := asideLine{Queue: mailview.Printable(name), What: "mail to " + mailview.Printable(key), Messages: count}
	if tag, ok := strings.CutPrefix(key, "tag:"); ok {
		l.What = "tag “" + mailview.Printable(tag) + "”"
		q.Set("tag", tag)
	} else if strings.HasPrefix(key, "pause:") {
		l.What = "held by a pause"
	} else if strings.HasPrefix(key, "ips:") {
		l.What = "mail for an instance that is not known"
	} else {
		q.Set("domain", key)
	}
	l.Address = "/messages?" + q.Encode()
	return l
}
