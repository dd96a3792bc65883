package auth

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Limited is the answer of a Limit to a login that it does not pass on, wrong or right. It is no ErrRejected: SMTP
// answers 454 4.7.0, and the console says when to try again.
type Limited struct {
	Until time.Time // when the next login is passed on
}

// Error does not say what was too often wrong.
func (l *Limited) Error() string { return "too many failed logins, try again later" }

// Limit keeps people who guess passwords from guessing many, without giving them a way to lock anybody out. It counts
// rejections:
//
//   - By client address, IPv6 addresses by their /64, and by network, /24 or /48. From one rejection on after the free
//     ones, of which a network has four times as many, further logins from there are refused with *Limited for a while,
//     which doubles with each rejection. A refusal counts for nothing; when the time is over, one login at a time is
//     passed on to find out.
//   - By user name. Anybody can guess at any name from many addresses, so a name is never refused for that: logins of
//     that name are answered one after another, with a pause in between that doubles with each rejection. Who would
//     wait for more than the longest pause is told with *Limited to come back.
//   - By name and address together, where that name was accepted from that address lately. What others do has no weight
//     there: neither refusals of the address nor the pauses of the name hold for it, only pauses for what is wrong
//     about that name from that address.
//
// Answers other than ErrRejected are not counted, so that a back end that is down locks nobody out. An acceptance
// clears the count of the name, but not that of the address: who has one account could otherwise guess others from
// there. A quiet time clears all. Many users behind one address, such as those of a web mail, want that address exempt.
//
// The zero value with a Backend is ready to use. It is safe for concurrent use and must not be copied. Memory is
// bounded by Size; when a table is full, the entry that was last used longest ago makes room.
type Limit struct {
	Backend Authenticator
	Free    int                   // rejections of an address or a name before the first refusal or pause; 0: 10
	First   time.Duration         // how long the first refusal lasts; 0: 15 seconds
	Longest time.Duration         // how long a refusal lasts at most; 0: 1 hour
	Pause   time.Duration         // between two logins of a name at most, the first is a tenth of it; 0: 10 seconds
	Quiet   time.Duration         // after the last rejection and its refusal, until the count is cleared; 0: 1 hour
	Known   time.Duration         // how long an address is known for a name after an acceptance; 0: 7 days
	Size    int                   // entries of each table; 0: 65,536
	Exempt  func(netip.Addr) bool // addresses that are neither counted nor refused, nor the names they use; nil: none

	once      sync.Once
	mu        sync.Mutex
	addresses offenders[netip.Prefix]
	networks  offenders[netip.Prefix]
	names     offenders[string]
	pairs     offenders[pair] // of regulars only
	regulars  regulars
}

// pair is a name and the address it comes from.
type pair struct {
	name    string
	address netip.Prefix
}

// visitor is a login as the guard counts it. What is zero is not counted.
type visitor struct {
	address, network netip.Prefix
	name             string // as the most lenient back end sees it
	pair             pair
	regular          bool // the pair was accepted lately
}

// Authenticate refuses, or asks the back end in due time and counts what it answers.
func (l *Limit) Authenticate(ctx context.Context, login Login) error {
	if a := login.Client.Addr().Unmap(); l.Exempt != nil && a.IsValid() && l.Exempt(a) {
		return l.Backend.Authenticate(ctx, login)
	}
	l.once.Do(l.prepare)
	v := newVisitor(login)
	wait, err := l.enter(&v)
	if err != nil {
		return err
	}
	answer := errUnanswered // should the client leave, or the back end panic
	defer func() { l.leave(&v, answer) }()
	if err := sleep(ctx, wait); err != nil {
		return err
	}
	answer = l.Backend.Authenticate(ctx, login)
	return answer
}

var errUnanswered = errors.New("no answer")

func (l *Limit) prepare() {
	refusals := patience{
		free:    cmp.Or(l.Free, 10),
		first:   cmp.Or(l.First, 15*time.Second),
		longest: cmp.Or(l.Longest, time.Hour),
		quiet:   cmp.Or(l.Quiet, time.Hour),
	}
	wider, pauses := refusals, refusals
	wider.free *= 4
	pauses.longest = cmp.Or(l.Pause, 10*time.Second)
	pauses.first = pauses.longest / 10
	size := cmp.Or(l.Size, 65_536)
	l.addresses = offenders[netip.Prefix]{patience: refusals, size: size}
	l.networks = offenders[netip.Prefix]{patience: wider, size: size}
	l.names = offenders[string]{patience: pauses, size: size}
	l.pairs = offenders[pair]{patience: pauses, size: size}
	l.regulars = regulars{stay: cmp.Or(l.Known, 7*24*time.Hour), size: size}
}

// enter refuses a login, or returns how long it has to wait for its turn.
func (l *Limit) enter(v *visitor) (wait time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if v.regular = l.regulars.know(v.pair, now); v.regular {
		return l.pairs.turn(v.pair, now)
	}
	until := later(l.addresses.refusedUntil(v.address, now), l.networks.refusedUntil(v.network, now))
	if !until.IsZero() {
		return 0, &Limited{Until: until}
	}
	if wait, err = l.names.turn(v.name, now); err == nil {
		l.addresses.try(v.address)
		l.networks.try(v.network)
	}
	return wait, err
}

// leave counts an answer.
func (l *Limit) leave(v *visitor, answer error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if !v.regular {
		l.addresses.tried(v.address)
		l.networks.tried(v.network)
	}
	if errors.Is(answer, ErrRejected) {
		l.addresses.count(v.address, now)
		l.networks.count(v.network, now)
		if v.regular {
			l.pairs.count(v.pair, now)
		} else {
			l.names.count(v.name, now)
		}
	}
	if answer != nil {
		return
	}
	l.regulars.note(v.pair, now)
	if v.regular {
		l.pairs.clear(v.pair)
	} else {
		l.names.clear(v.name)
	}
}

// sleep waits for a while, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func newVisitor(login Login) visitor {
	v := visitor{name: nameKey(login.Username)}
	v.address, v.network = addressKeys(login.Client.Addr())
	if v.address.IsValid() && login.Username != "" && len(login.Username) <= maxName {
		v.pair = pair{login.Username, v.address}
	}
	return v
}

// addressKeys are the address itself, or the /64 of an IPv6 address, since that is what one customer has, and the
// network of one site. Both are zero for no address.
func addressKeys(address netip.Addr) (own, network netip.Prefix) {
	address = address.Unmap().WithZone("")
	if address.Is4() {
		own, _ = address.Prefix(32)
		network, _ = address.Prefix(24)
	} else if address.IsValid() {
		own, _ = address.Prefix(64)
		network, _ = address.Prefix(48)
	}
	return own, network
}

// maxName is how much of a name is looked at, in bytes.
const maxName = 256

// nameKey is a name as the most lenient back end sees it, so that no spelling is worth another try: without regard to
// case and spaces, and the beginning of what is very long.
func nameKey(name string) string {
	name = strings.ToLower(strings.Join(strings.Fields(name[:min(len(name), maxName)]), " "))
	return strings.ToValidUTF8(name, "?")
}
