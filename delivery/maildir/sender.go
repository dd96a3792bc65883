package maildir

import (
	"context"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/internal/lru"
	"github.com/sluicemail/sluice/queue"
)

// Sender delivers into Maildirs. The zero value works. It is safe for concurrent use.
type Sender struct {
	named atomic.Uint64 // mails

	mu   sync.Mutex
	tidy lru.Cache[string, struct{}] // Maildirs whose tmp was looked through a day ago at most
}

var _ delivery.Sender = (*Sender)(nil)

// Open makes what delivers to a hop: nothing is connected. It fails, with a *delivery.Failure of state connect, when
// the directories that have to be there are not.
func (s *Sender) Open(_ context.Context, hop *delivery.Hop) (delivery.Connection, error) {
	target, err := Parse(hop.Local)
	if err == nil {
		_, err = os.Stat(target.base)
	}
	if err != nil {
		return nil, &delivery.Failure{Temporary: true, Cause: err, Result: queue.Result{State: queue.StateConnect,
			Result: queue.Error, Code: 451, Status: "4.3.5", To: hop.Local, Description: err.Error(), Time: now()}}
	}
	return &connection{sender: s, target: target, to: hop.Local, host: hostPart(hop.Hostname)}, nil
}

func now() time.Time { return time.Now().UTC() }

// connection delivers one mail after the other. It never breaks.
type connection struct {
	sender *Sender
	target *Target
	to     string // the target as it was named
	host   string // in names of files
	mails  int
	bytes  int64
}

// Deliver delivers a mail: it returns when the mail is in its Maildir, on the disk. Work with files cannot be broken
// off when ctx ends.
func (c *connection) Deliver(_ context.Context, tx, _ *delivery.Transaction) {
	c.mails++
	tx.Unsent, tx.Delivered = false, false
	tx.Result = queue.Result{State: queue.StateMessage, Messages: c.mails, To: c.to}
	name, err := c.deliver(tx)
	tx.Result.Time = now()
	tx.Result.Sent = &queue.Sent{Connection: c.bytes}
	said := &refusal{code: 250, status: "2.0.0", text: "saved as " + name}
	if err != nil {
		tx.Result.Result = queue.Error
		if said = refuse(err); said.storage {
			tx.Result.State = queue.StateStorage
			if said.code >= 500 {
				tx.Result.Result = queue.Lost
			}
		}
	} else {
		tx.Result.Result, tx.Delivered = queue.Accepted, true
		tx.Result.Sent.Data = tx.Body.Size()
	}
	tx.Result.Code, tx.Result.Status, tx.Result.Description = said.code, said.status, said.text
	tx.Text = strconv.Itoa(said.code) + " " + said.status + " " + said.text
}

// Usable is always true: what is wrong concerns one Maildir, or may pass.
func (c *connection) Usable() bool { return true }

// Idle waits until ctx ends.
func (c *connection) Idle(ctx context.Context) bool {
	<-ctx.Done()
	return true
}

// Close has nothing to close.
func (c *connection) Close() error { return nil }
