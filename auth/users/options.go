package users

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/auth/crypt"
	"github.com/sluicemail/sluice/internal/pattern"
	"github.com/sluicemail/sluice/internal/rawurl"
)

// Options say who may log in. The zero value lets nobody in.
type Options struct {
	// Names are the users who may log in; * ? [a-z] [!a-z] and \ mean what they mean in a shell.
	Names []string
	// Passwd and Shadow are read instead of /etc/passwd and /etc/shadow where they are not "". A package built with the
	// tag pam reads files, rather than ask PAM, only if Shadow is given.
	Passwd, Shadow string
	// Verifier bounds how many hashes are computed at a time; nil: one of its own. Without PAM only.
	Verifier *crypt.Verifier
	// Now is the time by which accounts expire; nil: time.Now. Without PAM only.
	Now func() time.Time
	// Service names the rules of PAM, and ServiceDir the directory they are in; "": sluice, and the system's. With PAM
	// only.
	Service, ServiceDir string
}

// Open returns an *Authenticator for an address such as users://mailerq,client*: names separated by commas,
// percent-decoded, so that %2C is a comma in one. Spaces around them do not count. The scheme is "users", raw what
// follows "://". There are no parameters: a question mark is a wildcard.
//
// It is an auth.Opener: the mux adds the scheme to its errors.
func Open(scheme, raw string) (auth.Authenticator, error) {
	if scheme != "users" {
		return nil, errors.New("expected the scheme users")
	}
	var o Options
	if strings.TrimSpace(raw) != "" {
		for item := range strings.SplitSeq(raw, ",") {
			name, err := rawurl.Unescape(strings.TrimSpace(item))
			if err != nil {
				return nil, fmt.Errorf("user %q: %w", item, err)
			}
			o.Names = append(o.Names, name)
		}
	}
	names, err := compile(o.Names)
	if err != nil {
		return nil, err
	}
	return open(o, names), nil
}

var _ auth.Opener = Open

// compile reads the names.
func compile(names []string) ([]*pattern.Pattern, error) {
	var patterns []*pattern.Pattern
	for i, name := range names {
		if name == "" {
			return nil, fmt.Errorf("user %d of %d is empty: expected a name", i+1, len(names))
		}
		if strings.ContainsAny(name, ":\n\x00") {
			return nil, fmt.Errorf("user %q: no name has a colon, a line break or a NUL", name)
		}
		p, err := pattern.Compile(pattern.Wildcard, name, false)
		if err != nil {
			return nil, fmt.Errorf("user: %w", err)
		}
		patterns = append(patterns, p)
	}
	return patterns, nil
}
