package auth

import (
	"context"
	"errors"
)

// Any accepts who is accepted by one of several back ends, asked in order. If none accepts, and one could not tell,
// then Any cannot tell either, since that one might have accepted: the error wraps those of the back ends that could
// not tell. Otherwise the login is rejected. Without back ends everybody is.
func Any(backends ...Authenticator) Authenticator {
	return Func(func(ctx context.Context, login Login) error {
		var unsure []error
		for _, backend := range backends {
			err := backend.Authenticate(ctx, login)
			if err == nil {
				return nil
			}
			if !errors.Is(err, ErrRejected) {
				unsure = append(unsure, err)
			}
			if ctx.Err() != nil {
				break
			}
		}
		switch {
		case len(unsure) == 1:
			return unsure[0]
		case len(unsure) > 1:
			return errors.Join(unsure...)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		return ErrRejected
	})
}
