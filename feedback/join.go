package feedback

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sluicemail/sluice/checks/report"
	"github.com/sluicemail/sluice/feedback/verp"
	"github.com/sluicemail/sluice/internal/mailheader"
)

// clues are what a report says about the message that it is about. Anybody can write any of it.
type clues struct {
	envid     string
	from      string   // envelope sender of the mail
	addresses []string // that the mail may have been for
	received  []string // ids in its Received fields, the newest first
	messageID string   // of its header
}

// maxClues bounds the addresses, and the ids, that are looked at.
const maxClues = 32

// add adds addresses that the mail may have been for.
func (c *clues) add(addresses ...string) {
	for _, a := range addresses {
		if a = address(a); a != "" && len(c.addresses) < maxClues && !slices.Contains(c.addresses, a) {
			c.addresses = append(c.addresses, a)
		}
	}
}

// first returns the address that most speaks for; "" when there is none.
func (c *clues) first() string {
	if len(c.addresses) == 0 {
		return ""
	}
	return c.addresses[0]
}

// copied adds what the copy of a mail says.
func (c *clues) copied(o *report.Original) {
	if o == nil {
		return
	}
	c.messageID = o.MessageID
	if c.from == "" {
		c.from = o.Envelope
	}
	s := mailheader.NewScanner(o.Header)
	for f, ok := s.Next(); ok; f, ok = s.Next() {
		switch {
		case f.Is("received"):
			c.passed(string(mailheader.AppendUnfolded(nil, f.Value())))
		case f.Is("to"), f.Is("cc"), f.Is("x-failed-recipients"), f.Is("delivered-to"), f.Is("x-original-to"):
			for _, a := range mailheader.AppendAddresses(nil, f.Value(), maxClues) {
				c.add(string(a))
			}
		}
	}
}

// passed adds what a Received field says: the id that a server gave the mail, and for whom it was.
func (c *clues) passed(field string) {
	words := strings.Fields(field)
	for i := range len(words) - 1 {
		next := strings.Trim(words[i+1], "<>;")
		switch strings.ToLower(words[i]) {
		case "for":
			c.add(next)
		case "id":
			if len(c.received) < maxClues && len(next) <= maxID {
				c.received = append(c.received, next)
			}
		}
	}
}

// maxID is how long an id of a message may be to be looked for.
const maxID = 200

// Sent is a message of the send log.
type Sent struct {
	ID, Recipient string
	Tags          []string
	Time          time.Time
}

// LookUp says what is looked for in the send log: at least one of ID, Recipient and Text is set.
type LookUp struct {
	ID, Recipient, Text string
	From, To            time.Time
}

// join finds out what a report is about, and notes it in its records, of which it returns those that it is about. to
// is the address that the report came to.
func (d *Desk) join(ctx context.Context, to string, c *clues, records []Record, now time.Time) []Record {
	token, by, err := d.token(to, c, now)
	if by == "" {
		if sent := d.search(ctx, c, now); sent != nil {
			for i := range records {
				if r := &records[i]; len(records) == 1 || strings.EqualFold(r.Recipient, sent.Recipient) {
					r.Joined = ByLog
					r.is(*sent, sent.Time)
				}
			}
		}
		return records
	}
	r := about(&token, records)
	sent := d.find(ctx, &token, c)
	r.Joined = by
	r.is(sent, token.Day)
	switch {
	case err != nil:
		r.Why = "the return path has expired"
	case sent.Recipient == "":
		r.Why = "the report names another address, and the message is not in the send log"
	case by != ByCopy:
		r.Proof = Proof(by)
	}
	return []Record{r}
}

// is notes which message a record is about.
func (r *Record) is(sent Sent, day time.Time) {
	r.MessageID, r.Tags, r.Sent = sent.ID, sent.Tags, day.UTC().Format(time.DateOnly)
	r.Recipient = cmp.Or(sent.Recipient, r.Recipient)
}

// about returns which record is about the recipient of a token: where none names him, the worst, as he is a list or
// has his mail forwarded.
func about(token *verp.Token, records []Record) Record {
	i := slices.IndexFunc(records, func(r Record) bool { return r.Recipient != "" && token.IsFor(r.Recipient) })
	if i < 0 {
		i = max(0, slices.IndexFunc(records, func(r Record) bool { return r.Kind == HardBounce }))
	}
	return records[i]
}

// find returns what is known of the message of a token, from it, from the addresses that the report names, and from the
// send log.
func (d *Desk) find(ctx context.Context, token *verp.Token, c *clues) Sent {
	var sent Sent
	sent.ID, _ = token.ID()
	if i := slices.IndexFunc(c.addresses, token.IsFor); i >= 0 {
		sent.Recipient = c.addresses[i]
	}
	if found := d.lookUp(ctx, token, sent); found != nil {
		return *found
	}
	sent.Tags = d.policy().tags(token)
	return sent
}

// token finds a signed token: in the address that the report came to, in the ENVID, or in the copy of the mail. The
// error is that of one that has expired.
func (d *Desk) token(to string, c *clues, now time.Time) (verp.Token, Join, error) {
	if d.Paths == nil {
		return verp.Token{}, "", nil
	}
	for _, place := range []struct {
		text string
		by   Join
	}{{to, ByReturnPath}, {c.envid, ByEnvID}, {c.from, ByCopy}} {
		token, err := d.Paths.Open(place.text, now)
		if err != nil && err != verp.ErrExpired {
			continue
		}
		if token.Unsubscribe && !asksToStop(to) { // the header of the mail has it: anybody who saw that may use it
			return token, ByCopy, err
		}
		return token, place.by, err
	}
	return verp.Token{}, "", nil
}

// lookUp finds the message of a token in the send log, where the token does not tell all; nil: it is not there.
func (d *Desk) lookUp(ctx context.Context, token *verp.Token, known Sent) *Sent {
	if d.Find == nil || known.ID == "" && known.Recipient == "" {
		return nil
	}
	found, err := d.Find(ctx, LookUp{ID: known.ID, Recipient: known.Recipient, From: token.Day.Add(-reach),
		To: token.Day.Add(reach + 24*time.Hour)})
	if err != nil {
		return nil
	}
	for i := range found {
		if token.Names(found[i].ID) && token.IsFor(found[i].Recipient) {
			return &found[i]
		}
	}
	return nil
}

// reach is how far from the day of its token a message is looked for in the log: clocks and time zones differ.
const reach = 24 * time.Hour

// search finds the message of a report that has no token in the send log; nil: it is not there, or there were too many
// such reports.
func (d *Desk) search(ctx context.Context, c *clues, now time.Time) *Sent {
	if d.Find == nil {
		return nil
	}
	var asks []LookUp
	for _, id := range c.received {
		if ours(id) {
			asks = append(asks, LookUp{ID: id})
		}
	}
	if c.messageID != "" && len(c.messageID) <= maxID {
		asks = append(asks, LookUp{Text: c.messageID})
	}
	for _, ask := range asks[:min(len(asks), 2)] {
		if !d.searches.allow(now) {
			return nil
		}
		if found, err := d.Find(ctx, ask); err == nil && len(found) > 0 {
			for i := range found {
				if slices.ContainsFunc(c.addresses, func(a string) bool { return strings.EqualFold(a, found[i].Recipient) }) {
					return &found[i]
				}
			}
			if len(found) == 1 && len(c.addresses) == 0 {
				return &found[0]
			}
		}
	}
	return nil
}

// ours reports whether an id looks like one that intake gives: a number, a dash, 15 digits of base32 or more.
func ours(id string) bool {
	server, count, dashed := strings.Cut(id, "-")
	return dashed && server != "" && len(count) >= 15 && strings.Trim(server, "0123456789") == "" &&
		strings.Trim(count, "0123456789abcdefghijklmnopqrstuv") == ""
}

// allowance allows so many things in a minute.
type allowance struct {
	most  int
	used  int
	since time.Time
}

func (a *allowance) allow(now time.Time) bool {
	if now.Sub(a.since) >= time.Minute {
		a.since, a.used = now, 0
	}
	a.used++
	return a.used <= a.most
}
