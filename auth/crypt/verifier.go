package crypt

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
)

// MaxPassword is the greatest length of a password in bytes, that of crypt(3). The time that SHA-512 takes grows with
// it.
const MaxPassword = 512

// Verifier checks passwords, a few at a time. The zero value is ready to use. It is safe for concurrent use and must
// not be copied. Back ends that share one share its bound.
type Verifier struct {
	// Concurrent is how many passwords are checked at a time. 0: one for each processor, as runtime.GOMAXPROCS counts
	// them at the first call.
	Concurrent int

	once  sync.Once
	slots chan struct{}
}

// Verify reports whether hash is that of password. An error means that it could not be found out: ctx ended while
// others were being checked, or the hash is not Supported. A check once begun is not interrupted; the dearest hash that
// is supported takes a few seconds. Neither hash nor password is in the error.
func (v *Verifier) Verify(ctx context.Context, hash, password string) (bool, error) {
	digest, err := decode(hash)
	if err != nil {
		return false, err
	}
	if len(password) > MaxPassword || strings.Contains(password, "\x00") {
		return false, nil
	}
	if err := v.acquire(ctx); err != nil {
		return false, fmt.Errorf("crypt: waiting for other passwords to be checked: %w", err)
	}
	defer func() { <-v.slots }()
	matches, err := digest.MatchAdvanced(password)
	if err != nil {
		return false, fmt.Errorf("crypt: the %s hash cannot be computed", kindOf(hash).name)
	}
	return matches, nil
}

func (v *Verifier) acquire(ctx context.Context) error {
	v.once.Do(func() {
		n := v.Concurrent
		if n <= 0 {
			n = runtime.GOMAXPROCS(0)
		}
		v.slots = make(chan struct{}, n)
	})
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case v.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
