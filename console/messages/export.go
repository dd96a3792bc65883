package messages

import (
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/queue"
)

// exportQueues sends the queues as comma separated values.
func (c *Messages) exportQueues(v *frame.Visit) error {
	rows := [][]string{{"queue", "ready", "deferred", "set-aside", "out", "messages", "change-per-second", "bytes", "readers"}}
	for _, q := range c.queueNews().Queues {
		row := []string{q.Queue, "", "", "", "", "", "", "", ""}
		if !q.Unknown {
			for i, n := range []int{q.Ready, q.Delayed, q.Parked, q.Out, q.Depth()} {
				row[i+1] = strconv.Itoa(n)
			}
			row[6], row[7] = strconv.FormatFloat(q.Change, 'f', 1, 64), strconv.FormatInt(q.Bytes, 10)
			if q.Consumers >= 0 {
				row[8] = strconv.Itoa(q.Consumers)
			}
		}
		rows = append(rows, row)
	}
	return v.CSV("queues", frame.Rows(rows))
}

// exported is how many messages are asked for at a time.
const exported = 10_000

// export sends all messages that match as comma separated values, the oldest first.
func (c *Messages) export(v *frame.Visit, f queue.Filter) error {
	page, next, err := c.Admin.Messages(v.R.Context(), f, "", exported)
	if err != nil {
		return err
	}
	return v.CSV("messages", func(yield func([]string, error) bool) {
		more := yield([]string{"id", "sender", "recipient", "queue", "state", "set-aside-for", "attempts", "stored", "due", "bytes", "tags"}, nil)
		for more {
			for i := range page {
				if !yield(exportLine(&page[i]), nil) {
					return
				}
			}
			if more = next != ""; !more {
				return
			}
			if page, next, err = c.Admin.Messages(v.R.Context(), f, next, exported); err != nil {
				yield(nil, err)
				return
			}
		}
	})
}

func exportLine(e *queue.Entry) []string {
	return []string{e.ID, e.Envelope, e.Recipient, e.Queue, e.State.String(), e.Parked, strconv.Itoa(e.Attempts), exactly(e.Stored),
		exactly(e.Due), strconv.FormatInt(e.Size, 10), strings.Join(e.Tags, " ")}
}

func exactly(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
