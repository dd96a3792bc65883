package delivery

import (
	"bytes"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/sluicemail/sluice/delivery/internal/aside"
	"github.com/sluicemail/sluice/delivery/internal/settling"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

// job is a message in memory, from the moment it is read until it is settled, released or parked. One goroutine has it
// at a time, or it is in a list that a lock guards.
type job struct {
	letter
	settling.Ending // how it leaves memory
	links
	course

	deadline time.Time
	undated  bool        // its deadline is not stored yet
	since    time.Time   // read, for the limit on its time in memory
	size     int64       // of the mail, as far as it is known
	fetch    *fetch      // of its mail; nil: none, or not begun
	path     *path       // nil: it was on none yet
	read     *reading    // nil: as it is now
	note     *aside.Note // why it is parked and what under; nil: for want of room, under its domain

	// Of its attempt.
	target    netip.AddrPort
	took      monitor.Stages
	inMailbox bool // see Transaction.Delivered
	// how often a connection ended before this mail had a part in it; not changed while it is in a list
	unsent int32
	detour *detour // nil: it was not tried at other addresses before the attempt counts
}

// course is what was decided about where a job leaves from.
type course struct {
	epoch  uint64 // of the steering that was asked
	source netip.Addr
	set    bool
}

// ask begins to decide anew, by the steering of an epoch, and asked returns that.
func (c *course) ask(epoch uint64) { c.epoch = epoch }
func (c *course) asked() uint64    { return c.epoch }

// outdated reports whether the steering is another one by now; doubt has the next connection find that it is.
func (c *course) outdated(epoch uint64) bool { return c.epoch != epoch }
func (c *course) doubt()                     { c.epoch-- }

// choose decides for an address, and leaves returns it; drop has it chosen anew, and planned says that it need not be.
func (c *course) choose(source netip.Addr) { c.source, c.set = source, true }
func (c *course) drop()                    { c.set = false }
func (c *course) planned() bool            { return c.set }
func (c *course) leaves() netip.Addr       { return c.source }

// unfitFor has a job leave from an address of another family than that of source.
func (j *job) unfitFor(source netip.Addr) {
	j.unfit |= familyOf(source)
	j.drop()
}

// date gives a job its deadline, which its message carries along from then on.
func (j *job) date(deadline time.Time) {
	j.undated = j.undated || j.m.MaxDeliverTime.IsZero()
	j.deadline, j.m.MaxDeliverTime = deadline, deadline
}

// dated reports whether the message had its deadline when it was read.
func (j *job) dated() bool { return !j.undated }

// mta is the source address of the path that a job was on last; the zero address: of none, or the system chooses.
func (j *job) mta() (source netip.Addr) {
	if j.path == nil {
		return netip.Addr{}
	}
	return j.path.id().Source
}

// handedIn is when the message was received, or for when it was handed in; zero: whoever published it does not say.
func (j *job) handedIn() time.Time {
	if j.m.HoldUntil.After(j.m.Received) {
		return j.m.HoldUntil
	}
	return j.m.Received
}

// spare notes that a connection ended before this mail had a part in it, and returns how often one did.
func (j *job) spare() int {
	j.unsent++
	return int(j.unsent)
}

// spared reports whether a connection ended before this mail had a part in it.
func (j *job) spared() bool { return j.unsent > 0 }

// expired reports whether the time of a job is over.
func (j *job) expired(now time.Time) bool { return !now.Before(j.deadline) }

// detour is where a message was tried that is tried at other addresses of its site before the attempt counts.
type detour struct {
	avoid string       // these addresses, each with a space behind it
	last  queue.Result // of the last of them
}

// fallenBack returns the result at the last address that a job was tried at.
func (j *job) fallenBack() queue.Result { return j.detour.last }

// avoids returns the addresses that a job is not to go to, each with a space behind it.
func (j *job) avoids() string {
	if j.detour == nil {
		return ""
	}
	return j.detour.avoid
}

// fallBack has a job go to addresses of its site at which it was not tried yet, after a try at target with a result.
func (j *job) fallBack(target netip.Addr, last *queue.Result) {
	j.detour = &detour{avoid: j.avoids() + target.String() + " ", last: *last}
	j.unfetch()
}

// reading is what the monitor was told of a message when it was read, where that changed.
type reading struct {
	domain string
	tags   []string
}

// changed notes what the monitor was told, after rules may have changed it.
func (j *job) changed(recipient, domain string, tags []string) {
	if j.read == nil && (j.m.Recipient != recipient || !slices.Equal(j.m.Tags, tags)) {
		j.read = &reading{domain, tags}
	}
}

// told returns what the monitor was told of a job when it was read.
func (j *job) told() (domain string, tags []string) {
	if j.read != nil {
		return j.read.domain, j.read.tags
	}
	return j.domain, j.m.Tags
}

// absent reports whether the mail of a job has to be fetched, or made of an object, before it can be sent: that may
// take long.
func (j *job) absent() bool { return j.m.Body == nil && (j.m.Key != "" || j.m.Compose != nil) }

// unready reports whether something has to be done before the mail of a job can be sent.
func (j *job) unready() bool {
	return j.m.Body == nil || j.m.Data != nil || j.m.InlineCSS || j.m.Unsubscribe != nil
}

// unfetch has a job be as it was before its mail was fetched.
func (j *job) unfetch() {
	j.fetch.undo(j.m)
	j.fetch = nil
}

// stored returns the message of a job as it belongs into the outbox.
func (j *job) stored() *queue.Message { return j.fetch.without(j.m) }

// sizeProperty tells how many bytes the mail has that is in the store; the program that put it there may have added it.
const sizeProperty = "mime-size"

// mailSize returns the size of a mail as far as it is known; zero when it is not.
func mailSize(m *queue.Message) int64 {
	if m.Body != nil {
		return m.Body.Size()
	}
	if m.Key == "" {
		return 0
	}
	n, err := strconv.ParseInt(string(bytes.Trim(m.Extra[sizeProperty], `"`)), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// parkedUnder is the key under which a job is parked.
func (j *job) parkedUnder() string {
	if j.note != nil {
		return j.note.Key
	}
	return j.domain
}
