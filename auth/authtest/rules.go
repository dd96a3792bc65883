package authtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/sluicemail/sluice/auth"
)

// A rule is what every Authenticator has to keep to.
type rule struct {
	name, why string
	check     func(ctx context.Context, e *exam) error
}

func rules() []rule {
	return []rule{
		{"accepts", "an account logs in with its own password, as often as it likes", acceptsAccounts},
		{"rejects", "a wrong password and an unknown user get ErrRejected, so that SMTP answers 535 and not 454",
			rejectsWrong},
		{"empty", "an empty name or password is ErrRejected: to LDAP it would be an anonymous bind, which succeeds",
			rejectsEmpty},
		{"names",
			"no name may reach into the language of a back end: the right password of an account counts for its exact name alone", oddNames},
		{"passwords", "no password may reach into the language of a back end, nor be cut before it is compared",
			oddPasswords},
		{"split", "name and password must not be glued together in a way that lets them be cut elsewhere", splitElsewhere},
		{"large", "a megabyte is turned away, and costs little time and a short error", large},
		{"cancel", "a client that is gone is waited for no longer, and its right password is not called wrong", cancelled},
		{"concurrent", "answers do not get mixed up between logins at the same time", concurrent},
		{"secrets", "no password shows in an error or in the back end itself, whatever verb prints it", secrets},
	}
}

// wrong is a password that no account has.
const wrong = "wrong-Canary-7351"

// nobody is a name that no account has.
const nobody = "nobody-of-that-name"

func acceptsAccounts(ctx context.Context, e *exam) error {
	for range 2 {
		for _, name := range e.names {
			if err := e.accepts(ctx, name); err != nil {
				return err
			}
		}
	}
	return nil
}

func rejectsWrong(ctx context.Context, e *exam) error {
	errs := []error{e.rejects(ctx, nobody, wrong, "a wrong password")}
	for _, name := range e.names {
		password := e.accounts[name]
		errs = append(errs,
			e.rejects(ctx, name, wrong, "a wrong password"),
			e.rejects(ctx, name, password+"x", "its password and one character more"),
			e.rejects(ctx, name, password[:len(password)-1], "its password less a character"),
			e.rejects(ctx, name, name, "its own name as password"),
			e.rejects(ctx, nobody, password, "the password of somebody else"),
			e.rejects(ctx, name+"x", password, "the password of a similar name"),
		)
		if other := swapCase(password); other != password {
			errs = append(errs, e.rejects(ctx, name, other, "its password in the other case"))
		}
		for _, neighbour := range e.names {
			if theirs := e.accounts[neighbour]; theirs != password {
				errs = append(errs, e.rejects(ctx, name, theirs, "the password of another account"))
			}
		}
	}
	return errors.Join(errs...)
}

func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return r
	}, s)
}

func rejectsEmpty(ctx context.Context, e *exam) error {
	errs := []error{
		e.rejects(ctx, "", "", "an empty password"),
		e.rejects(ctx, "", wrong, "a password"),
		e.rejects(ctx, nobody, "", "an empty password"),
	}
	for _, name := range e.names {
		errs = append(errs,
			e.rejects(ctx, name, "", "an empty password"),
			e.rejects(ctx, "", e.accounts[name], "the password of an account"))
	}
	return errors.Join(errs...)
}

// oddNames tries names that mean something to LDAP, line protocols, paths, shells, SQL and C.
func oddNames(ctx context.Context, e *exam) error {
	name := e.names[0]
	odd := []string{
		"*", "#", "#" + name, name + "*", "*" + name, name + "#", "?", "%", name + "%00", "+", "-",
		name + ":", ":" + name, name + ":" + name, ":",
		name + "\n", "\n" + name, name + "\r\n", name + "\r", name + "\nroot", "\n", nobody + "\n" + name,
		name + "\x00", "\x00" + name, name + "\x00x", "\x00",
		name + ",", "," + name, "uid=" + name, name + ",dc=example", name + "\\", "\\" + name, name + "+cn=x",
		"\"" + name + "\"", "<" + name + ">", ";" + name,
		name + ")(|(uid=*", "*)(uid=*))(|(uid=*",
		"' OR '1'='1", name + "' --", name + "'; DROP TABLE users; --",
		"$(id)", "`id`", name + ";id", "|id", "${HOME}", "../" + name, name + "/", "/etc/passwd", "-n", "--help",
		"пользователь", "ユーザー", "🔑", "\xff\xfe", name + "\xff", "\u202e" + name, name + "\u0000",
	}
	var errs []error
	for _, candidate := range odd {
		if _, exists := e.accounts[candidate]; exists {
			continue
		}
		for _, password := range []string{e.accounts[name], wrong} {
			errs = append(errs, e.turnsAway(ctx, candidate, password, "a password that is not its own"))
		}
	}
	return errors.Join(errs...)
}

func oddPasswords(ctx context.Context, e *exam) error {
	name := e.names[0]
	password := e.accounts[name]
	var errs []error
	for _, odd := range []string{
		"*", "#", "!", "x", "%", ":", ",", "\n", "\r\n", "\x00", "{PLAIN}" + password, "$6$", "!" + password,
		password + "\n", password + "\r\n", "\n" + password, password + "\nx", password + "\x00", password + "\x00x",
		"\x00" + password,
		password + ":", ":" + password, password + ",", password + "*", password + " ", " " + password,
		"' OR '1'='1", "$(id)", "`id`", "*)(uid=*", "пароль", "\xff\xfe", password + "\xff",
	} {
		if odd != password {
			errs = append(errs, e.turnsAway(ctx, name, odd, "an odd password"))
			errs = append(errs, e.turnsAway(ctx, nobody, odd, "an odd password"))
		}
	}
	return errors.Join(errs...)
}

// splitElsewhere moves characters between name and password, with the separators of the usual protocols.
func splitElsewhere(ctx context.Context, e *exam) error {
	var errs []error
	for _, name := range e.names {
		password := e.accounts[name]
		for _, separator := range []string{"", ":", "\n", "\x00", " ", "/", ","} {
			whole := name + separator + password
			for _, cut := range []int{1, len(name) - 1, len(name) + len(separator) + 1, len(whole) - 1} {
				if cut < 1 || cut >= len(whole) || (separator == "" && cut == len(name)) {
					continue
				}
				user, rest := whole[:cut], whole[cut:]
				if own, exists := e.accounts[user]; exists && own == rest {
					continue
				}
				errs = append(errs, e.turnsAway(ctx, user, rest, "name and password cut elsewhere"))
			}
		}
		if before, after, found := strings.Cut(password, ":"); found && after != "" {
			errs = append(errs, e.turnsAway(ctx, name+":"+before, after, "the rest of a password with a colon"))
		}
	}
	return errors.Join(errs...)
}

func large(ctx context.Context, e *exam) error {
	name := e.names[0]
	megabyte := strings.Repeat(wrong, 1<<20/len(wrong))
	return errors.Join(
		e.turnsAway(ctx, name, megabyte, "a password of 1 MB"),
		e.turnsAway(ctx, name, e.accounts[name]+strings.Repeat(" ", 1<<20), "its password and 1 MB of spaces"),
		e.turnsAway(ctx, name, e.accounts[name]+strings.Repeat("\x00", 1<<20), "its password and 1 MB of NULs"),
		e.turnsAway(ctx, name+megabyte, e.accounts[name], "the password of an account"),
		e.turnsAway(ctx, megabyte, megabyte, "a password of 1 MB"),
		e.accepts(ctx, name),
	)
}

// cancelled logs in with right passwords whose clients are gone before, or go meanwhile.
func cancelled(ctx context.Context, e *exam) error {
	name := e.names[0]
	for _, after := range []time.Duration{-1, 0, time.Millisecond, 20 * time.Millisecond} {
		gone, cancel := context.WithCancel(ctx)
		if after < 0 {
			cancel()
		} else {
			timer := time.AfterFunc(after, cancel)
			defer timer.Stop()
		}
		start := time.Now()
		err := e.ask(gone, name, e.accounts[name])
		cancel()
		if v, ok := errors.AsType[*violation](err); ok {
			return v
		}
		if errors.Is(err, auth.ErrRejected) {
			return broken("a right password was called wrong since its client is gone")
		}
		if took := time.Since(start); took > e.patience/2 {
			return broken("it took %v to notice that the client is gone", took)
		}
	}
	return e.accepts(ctx, name)
}

func concurrent(ctx context.Context, e *exam) error {
	const clients, logins = 8, 4
	errs := make([]error, clients)
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() {
			name := e.names[i%len(e.names)]
			for n := range logins {
				var err error
				switch (i + n) % 3 {
				case 0:
					err = e.rejects(ctx, name, wrong, "a wrong password")
				case 1:
					err = e.rejects(ctx, nobody, e.accounts[name], "the password of somebody else")
				default:
					err = e.accepts(ctx, name)
				}
				errs[i] = errors.Join(errs[i], err)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// secrets looks through all that the back end has said so far, and at itself.
func secrets(ctx context.Context, e *exam) error {
	if err := e.rejects(ctx, e.names[0], wrong, "a wrong password"); err != nil {
		return err
	}
	hunted := []string{wrong}
	for _, password := range e.accounts {
		hunted = append(hunted, password)
	}
	for _, err := range e.errors {
		if len(err.Error()) > 4096 {
			return broken("an error has %d bytes; it begins with %s", len(err.Error()), shorten(err.Error()))
		}
		if verb := leaks(err, hunted); verb != "" {
			return broken("a password shows when an error is printed with %s", verb)
		}
	}
	if verb := leaks(e.backend, hunted); verb != "" {
		return broken("a password shows when the back end is printed with %s", verb)
	}
	return nil
}

// leaks returns the verb that prints one of the passwords, as text or as bytes, and "" if none does.
func leaks(value any, passwords []string) string {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		text := fmt.Sprintf(verb, value)
		for _, password := range passwords {
			for _, form := range forms(password) {
				if strings.Contains(text, form) {
					return verb
				}
			}
		}
	}
	return ""
}

// forms are the ways in which fmt prints a password.
func forms(password string) []string {
	raw := []byte(password)
	quoted := fmt.Sprintf("%q", password)
	return []string{
		password,
		quoted[1 : len(quoted)-1],
		strings.Trim(fmt.Sprint(raw), "[]"),
		strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", raw), "[]byte{"), "}"),
		fmt.Sprintf("%x", raw),
	}
}
