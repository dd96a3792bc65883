//go:build !pam

package users

import (
	"context"

	"github.com/sluicemail/sluice/auth"
)

// system returns what checks users in a build without PAM.
func (o *Options) system() func(ctx context.Context, login auth.Login, listed bool) error {
	return o.files().check
}
