package auth

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Limited is the answer of a Limit to a login that it does not pass on, wrong or right. It is no ErrRejected: SMTP answers
// 454 4.7.0, and the console says when to try again.
type Limited struct {
	Until time.Time // when the next login is passed on
}

// Error does not say whether address or name was too often wrong.
func (l *Limited) Error() string { return "too many failed logins, try again later" }

// Limit keeps those who guess passwords from guessing many. It counts rejections by client address, IPv6 addresses by
// their /64, and by user name. From one rejection on after the free ones, further logins of that address or that name are
// refused with *Limited for a while, which doubles with each rejection. Nobody is kept waiting, and a refusal counts for
// nothing; when the time is over, one login at a time is passed on to find out. Answers other than ErrRejected are not
// counted, so that a back end that is down locks nobody out.
//
// An acceptance clears the count of the name, but not that of the address: who has one account could otherwise guess
// others from there. A quiet time clears both. Since anybody can have a name refused by guessing at it, whoever should
// always get in comes from an exempt address.
//
// The zero value with a Backend is ready to use. It is safe for concurrent use and must not be copied. Memory is bounded
// by Size; when a table is full, the entry whose last rejection is longest ago makes room.
type Limit struct {
	Backend Authenticator
	Free    int                   // rejections of an address or a name before the first refusal; 0: 10
	First   time.Duration         // how long the first refusal lasts; 0: 15 seconds
	Longest time.Duration         // how long a refusal lasts at most; 0: 1 hour
	Quiet   time.Duration         // after the last rejection and its refusal, until the count is cleared; 0: 1 hour
	Size    int                   // entries of each of the two tables; 0: 65,536
	Exempt  func(netip.Addr) bool // addresses that are neither counted nor refused, nor the names they use; nil: none

	once      sync.Once
	mu        sync.Mutex
	addresses offenders[netip.Prefix]
	names     offenders[string]
}

// Authenticate refuses, or asks the back end and counts what it answers.
func (l *Limit) Authenticate(ctx context.Context, login Login) error {
	address, known := addressKey(login.Client)
	if known && l.Exempt != nil && l.Exempt(login.Client.Addr().Unmap()) {
		return l.Backend.Authenticate(ctx, login)
	}
	l.once.Do(l.prepare)
	name := nameKey(login.Username)
	if err := l.enter(address, known, name); err != nil {
		return err
	}
	var answer error = errUnanswered // should the back end panic
	defer func() { l.leave(address, known, name, answer) }()
	answer = l.Backend.Authenticate(ctx, login)
	return answer
}

var errUnanswered = errors.New("no answer")

func (l *Limit) prepare() {
	patience := patience{
		free:    or(l.Free, 10),
		first:   or(l.First, 15*time.Second),
		longest: or(l.Longest, time.Hour),
		quiet:   or(l.Quiet, time.Hour),
	}
	size := or(l.Size, 65_536)
	l.addresses = offenders[netip.Prefix]{patience: patience, size: size}
	l.names = offenders[string]{patience: patience, size: size}
}

func or[T int | time.Duration](value, otherwise T) T {
	if value <= 0 {
		return otherwise
	}
	return value
}

// enter refuses a login, or lets both its address and its name try.
func (l *Limit) enter(address netip.Prefix, known bool, name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	until := l.names.refusedUntil(name, now)
	if known {
		if u := l.addresses.refusedUntil(address, now); u.After(until) {
			until = u
		}
	}
	if !until.IsZero() {
		return &Limited{Until: until}
	}
	l.names.try(name)
	if known {
		l.addresses.try(address)
	}
	return nil
}

// leave counts an answer.
func (l *Limit) leave(address netip.Prefix, known bool, name string, answer error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	rejected := errors.Is(answer, ErrRejected)
	l.names.tried(name, rejected, now)
	if answer == nil {
		l.names.clear(name)
	}
	if known {
		l.addresses.tried(address, rejected, now)
	}
}

// addressKey is the address itself, or the /64 of an IPv6 address: that is what one customer has.
func addressKey(client netip.AddrPort) (netip.Prefix, bool) {
	address := client.Addr().Unmap().WithZone("")
	if !address.IsValid() {
		return netip.Prefix{}, false
	}
	bits := address.BitLen()
	if address.Is6() {
		bits = 64
	}
	prefix, err := address.Prefix(bits)
	return prefix, err == nil
}

// nameKey is a name as the most lenient back end sees it, so that no spelling is worth another try: without regard to case
// and spaces, and the beginning of what is very long.
func nameKey(name string) string {
	name = strings.ToLower(strings.Join(strings.Fields(name[:min(len(name), 256)]), " "))
	return strings.ToValidUTF8(name, "?")
}
