package authtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/auth"
)

var accounts = map[string]string{"alice": "Sesam:öffne dich", "bob": "hunter2-hunter2"}

// good is as simple as an Authenticator can be.
func good(ctx context.Context, login auth.Login) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if login.Username == "" || login.Password == "" || accounts[login.Username] != login.Password {
		return auth.ErrRejected
	}
	return nil
}

func TestGood(t *testing.T) {
	Run(t, func(t *testing.T) (auth.Authenticator, map[string]string) { return auth.Func(good), accounts })
}

// leaky shows what it knows to fmt.
type leaky struct{ passwords map[string]string }

func (l *leaky) Authenticate(ctx context.Context, login auth.Login) error { return good(ctx, login) }

// after lets a back end change the login, or the answer.
func after(change func(login auth.Login, err error) error) auth.Authenticator {
	return auth.Func(func(ctx context.Context, login auth.Login) error { return change(login, good(ctx, login)) })
}

// before lets a back end look at another login than it got.
func before(change func(auth.Login) auth.Login) auth.Authenticator {
	return auth.Func(func(ctx context.Context, login auth.Login) error { return good(ctx, change(login)) })
}

func TestEachRuleNoticesWhoBreaksIt(t *testing.T) {
	var mu sync.Mutex
	var last string
	for _, c := range []struct {
		rule    string
		breaks  string
		backend auth.Authenticator
	}{
		{"accepts", "refuses all", auth.Func(func(context.Context, auth.Login) error { return auth.ErrRejected })},
		{"accepts", "cannot tell", auth.Func(func(context.Context, auth.Login) error { return errors.New("down") })},
		{"rejects", "accepts all", auth.Func(func(context.Context, auth.Login) error { return nil })},
		{"rejects", "calls wrong passwords errors", after(func(_ auth.Login, err error) error {
			if err != nil {
				return errors.New("no such user")
			}
			return nil
		})},
		{"rejects", "compares the first characters", before(func(l auth.Login) auth.Login {
			if right := accounts[l.Username]; strings.HasPrefix(l.Password, right) {
				l.Password = right
			}
			return l
		})},
		{"rejects", "does not mind case", before(func(l auth.Login) auth.Login {
			if right := accounts[l.Username]; strings.EqualFold(l.Password, right) {
				l.Password = right
			}
			return l
		})},
		{"empty", "binds anonymously", after(func(l auth.Login, err error) error {
			if l.Password == "" {
				return nil
			}
			return err
		})},
		{"names", "stops at NUL", before(func(l auth.Login) auth.Login {
			l.Username, _, _ = strings.Cut(l.Username, "\x00")
			return l
		})},
		{"names", "trims line breaks", before(func(l auth.Login) auth.Login {
			l.Username = strings.TrimSpace(l.Username)
			return l
		})},
		{"names", "knows wildcards", before(func(l auth.Login) auth.Login {
			if l.Username == "*" {
				l.Username = "alice"
			}
			return l
		})},
		{"names", "panics", before(func(l auth.Login) auth.Login {
			if strings.HasPrefix(l.Username, "#") {
				panic("comment")
			}
			return l
		})},
		{"passwords", "stops at NUL", before(func(l auth.Login) auth.Login {
			l.Password, _, _ = strings.Cut(l.Password, "\x00")
			return l
		})},
		{"split", "glues name and password", before(func(l auth.Login) auth.Login {
			l.Username, l.Password, _ = strings.Cut(l.Username+":"+l.Password, ":")
			return l
		})},
		{"large", "cuts what is long", before(func(l auth.Login) auth.Login {
			l.Password = strings.TrimRight(l.Password, " ")
			return l
		})},
		{"large", "hangs", auth.Func(func(ctx context.Context, l auth.Login) error {
			if len(l.Password) > 1000 {
				select {}
			}
			return good(ctx, l)
		})},
		{"cancel", "calls the gone wrong", after(func(_ auth.Login, err error) error {
			if err != nil {
				return auth.ErrRejected
			}
			return nil
		})},
		{"concurrent", "mixes up logins", before(func(l auth.Login) auth.Login {
			mu.Lock()
			last = l.Password
			mu.Unlock()
			time.Sleep(time.Millisecond) // while others come by
			mu.Lock()
			defer mu.Unlock()
			l.Password = last
			return l
		})},
		{"secrets", "quotes passwords", after(func(l auth.Login, err error) error {
			if err != nil {
				return fmt.Errorf("%w: %s", err, l.Password)
			}
			return nil
		})},
		{"secrets", "keeps passwords", &leaky{accounts}},
		{"secrets", "says much", after(func(l auth.Login, err error) error {
			if err != nil {
				return fmt.Errorf("%w: %s", err, strings.Repeat("sorry ", 1000))
			}
			return nil
		})},
	} {
		t.Run(c.rule+"/"+c.breaks, func(t *testing.T) {
			for _, r := range rules() {
				if r.name != c.rule {
					continue
				}
				e := newExam(c.backend, accounts)
				e.patience = 2 * time.Second
				if c.breaks == "hangs" {
					e.patience = 50 * time.Millisecond
				}
				require.Error(t, r.check(t.Context(), e), "the rule was broken, and nobody noticed")
				return
			}
			t.Fatal("there is no such rule")
		})
	}
}
