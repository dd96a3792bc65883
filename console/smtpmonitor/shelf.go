package smtpmonitor

import (
	"crypto/rand"
	"net/http"
	"sync"
	"time"

	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/console/mailview"
	"github.com/sluicemail/sluice/internal/human"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

// shelf keeps the mails that passed while somebody asked to see them, for as long as the page stays open and a little
// longer, and within bounds. Nobody finds one without its key, which only that page was told.
type shelf struct {
	mu    sync.Mutex
	mails map[string]*shelved
	order []*shelved // oldest first
	bytes int
}

// shelved is one mail, or its begin.
type shelved struct {
	key   string
	owner *follower
	data  []byte
	size  int64 // of all of it
	until time.Time
}

const (
	maxPassing = 512 << 10        // bytes of a mail
	maxOwned   = 8 << 20          // of the mails of one page
	maxShelf   = 64 << 20         // of all of them
	shelfTime  = 10 * time.Minute // after the page was closed
)

// put keeps the mail of a flight and returns its key.
func (s *shelf) put(owner *follower, from *monitor.Flight) string {
	m := &shelved{key: rand.Text(), owner: owner, data: from.Data, size: int64(len(from.Data) + from.Cut)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mails == nil {
		s.mails = map[string]*shelved{}
	}
	s.mails[m.key] = m
	s.order = append(s.order, m)
	s.bytes += len(m.data)
	s.tidy(owner)
	return m.key
}

// tidy removes what is old, or too much.
func (s *shelf) tidy(owner *follower) {
	owned := 0
	for _, m := range s.order {
		if m.owner == owner {
			owned += len(m.data) + shelvedCost
		}
	}
	now := time.Now()
	kept := s.order[:0]
	for _, m := range s.order {
		old := !m.until.IsZero() && now.After(m.until)
		most := m.owner == owner && owned > maxOwned
		if !old && !most && s.bytes <= maxShelf {
			kept = append(kept, m)
			continue
		}
		if m.owner == owner {
			owned -= len(m.data) + shelvedCost
		}
		s.bytes -= len(m.data)
		delete(s.mails, m.key)
	}
	clear(s.order[len(kept):])
	s.order = kept
}

const shelvedCost = 16 << 10 // so that a page keeps at most some hundred mails, however small

// forget has the mails of a page go after a while.
func (s *shelf) forget(owner *follower) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.order {
		if m.owner == owner {
			m.until = time.Now().Add(shelfTime)
		}
	}
	s.tidy(owner)
}

func (s *shelf) get(key string) *shelved {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.mails[key]
	if m == nil || !m.until.IsZero() && time.Now().After(m.until) {
		return nil
	}
	return m
}

// passedMail opens a mail that passed in a session.
func (c *Monitor) passedMail(v *frame.Visit) (*mailview.Mail, error) {
	key := v.R.PathValue("id")
	m := c.shelf.get(key)
	if m == nil {
		return nil, &frame.Fault{Status: http.StatusNotFound, What: "This mail is not kept any more.",
			Next: "The SMTP monitor keeps the last mails that passed while its page is open, and forgets them ten minutes after it was closed. Wait there for the next one."}
	}
	mail := &mailview.Mail{Base: "/smtp/mails/" + key, File: "mail", Back: "/smtp",
		BackTo: "SMTP monitor", Title: "Mail in a session", Body: queue.Bytes(m.data)}
	if int64(len(m.data)) < m.size {
		mail.Note = "Only the first " + human.Size(int64(len(m.data))) + " of " + human.Size(m.size) + " were kept."
	}
	return mail, nil
}
