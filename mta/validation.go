package mta

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/delivery/resolver"
)

// validation is whether the DNS servers validate, without which DANE has no effect. It is looked at when the program
// starts and now and then: who looks after the servers may not look after mail.
type validation struct {
	dns   *resolver.Resolver
	found atomic.Pointer[finding]
}

// finding is what came of looking.
type finding struct {
	validates bool
	err       error // nobody knows
}

const (
	validationInterval = time.Hour
	validationRetry    = time.Minute
)

// openValidation begins to look; nil: DANE is off.
func openValidation(b *base, dns *resolver.Resolver) *validation {
	if b.cfg.TLSPolicy == "off" || !b.cfg.DNSTrustAD {
		return nil
	}
	v := &validation{dns: dns}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			v.look(ctx, b)
			wait := validationInterval
			if v.found.Load().err != nil {
				wait = validationRetry
			}
			select {
			case <-ctx.Done():
			case <-time.After(wait):
			}
		}
	}()
	b.onClose(func() error {
		stop()
		<-ended
		return nil
	})
	return v
}

// look asks, and logs what is other than before.
func (v *validation) look(ctx context.Context, b *base) {
	var now finding
	now.validates, now.err = v.dns.Validates(ctx)
	before := v.found.Swap(&now)
	if ctx.Err() != nil || before != nil && before.validates == now.validates && (before.err == nil) == (now.err == nil) {
		return
	}
	switch {
	case now.err != nil:
		b.log.Warn("whether the DNS servers validate cannot be found out, DANE has no effect where they do not",
			"error", now.err)
	case now.validates:
		b.log.Info("the DNS servers validate, DANE is obeyed")
	default:
		b.log.Warn("the DNS servers do not validate (no AD for the root zone): DANE has no effect. " +
			"Set dns-servers to a resolver that does")
	}
}

// detail is what the Services page says; "": DANE is off, or nobody has looked yet.
func (v *validation) detail() string {
	if v == nil {
		return ""
	}
	switch found := v.found.Load(); {
	case found == nil:
		return ""
	case found.err != nil:
		return "; whether they validate is not known, DANE has no effect where they do not"
	case found.validates:
		return "; validating, DANE is obeyed"
	}
	return "; not validating: DANE has no effect"
}
