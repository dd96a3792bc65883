package users

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/auth/crypt"
)

// shadow checks users by the files of the system.
type shadow struct {
	passwdFile, shadowFile string
	verifier               *crypt.Verifier
	now                    func() time.Time
}

// files makes a shadow of the options.
func (o *Options) files() *shadow {
	s := &shadow{
		passwdFile: cmp.Or(o.Passwd, "/etc/passwd"),
		shadowFile: cmp.Or(o.Shadow, "/etc/shadow"),
		verifier:   o.Verifier,
		now:        o.Now,
	}
	if s.verifier == nil {
		s.verifier = new(crypt.Verifier)
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// check compares the password in any case, with somebody else's hash if need be.
func (s *shadow) check(ctx context.Context, login auth.Login, listed bool) error {
	hash, substitute, err := s.hash(login.Username)
	if err != nil && !errors.Is(err, auth.ErrRejected) {
		return err
	}
	if !listed {
		err = auth.ErrRejected
	}
	if err != nil {
		if substitute != "" {
			if _, failed := s.verifier.Verify(ctx, substitute, login.Password); failed != nil {
				return failed
			}
		}
		return err
	}
	matches, err := s.verifier.Verify(ctx, hash, login.Password)
	switch {
	case err != nil:
		return err
	case !matches:
		return auth.ErrRejected
	}
	return nil
}

// hash returns the hash of a user who may log in. Otherwise the error wraps ErrRejected, and substitute is the hash of
// somebody, if there is one; with other errors the files cannot be read.
func (s *shadow) hash(name string) (hash, substitute string, err error) {
	shadowed := false
	err = eachLine(s.passwdFile, func(line string) bool {
		fields := strings.Split(line, ":")
		if fields[0] != name || len(fields) < 2 {
			return true
		}
		shadowed = fields[1] == "x"
		return false
	})
	if err != nil {
		return "", "", err
	}
	var entry string
	err = eachLine(s.shadowFile, func(line string) bool {
		user, rest, _ := strings.Cut(line, ":")
		if user == name && entry == "" { // the first counts, as with getspnam(3)
			entry = line
		}
		if other, _, _ := strings.Cut(rest, ":"); substitute == "" && crypt.Supported(other) == nil {
			substitute = other
		}
		return entry == "" || substitute == ""
	})
	if err != nil {
		return "", "", err
	}
	if !shadowed || entry == "" {
		return "", substitute, auth.ErrRejected
	}
	hash, err = usable(entry, s.now().Unix()/(24*60*60))
	return hash, substitute, err
}

// eachLine passes the lines of a file to f until it returns false.
func eachLine(path string, f func(line string) bool) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if !f(lines.Text()) {
			return nil
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// The fields of shadow(5); days count from 1970-01-01.
const (
	fieldHash    = 1
	fieldChanged = 2 // day of the last change; 0: must be changed
	fieldMaximum = 4 // days after which it must be changed
	fieldExpires = 7 // day from which the account is disabled
	fieldCount   = 9
)

// usable returns the hash of a line of /etc/shadow, unless the account lets nobody in on that day.
func usable(line string, today int64) (string, error) {
	fields := strings.Split(line, ":")
	if len(fields) != fieldCount {
		return "", refused(fmt.Sprintf("the line in the shadow file has %d fields, expected are %d", len(fields), fieldCount))
	}
	if err := crypt.Supported(fields[fieldHash]); err != nil {
		return "", refused(err.Error())
	}
	changed, err1 := days(fields[fieldChanged])
	maximum, err2 := days(fields[fieldMaximum])
	expires, err3 := days(fields[fieldExpires])
	switch {
	case err1 != nil || err2 != nil || err3 != nil:
		return "", refused("the line in the shadow file has a day that is not a number")
	case expires >= 0 && today >= expires:
		return "", refused("the account has expired")
	case changed == 0:
		return "", refused("the password must be changed")
	case changed > 0 && maximum >= 0 && today-changed > maximum:
		return "", refused("the password has expired")
	}
	return fields[fieldHash], nil
}

func refused(why string) error { return fmt.Errorf("%s: %w", why, auth.ErrRejected) }

// days reads a number of days; -1 when there is none.
func days(field string) (int64, error) {
	if field == "" {
		return -1, nil
	}
	n, err := strconv.ParseInt(field, 10, 64)
	return max(n, -1), err
}
