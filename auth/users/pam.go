//go:build pam

package users

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/msteinert/pam/v2"

	"github.com/sluicemail/sluice/auth"
)

// pamConcurrency is how many logins wait for PAM at a time: its modules take threads, and some seconds for a wrong
// password.
const pamConcurrency = 64

// system returns what checks users in a build with PAM.
func (o *Options) system() func(ctx context.Context, login auth.Login, listed bool) error {
	if o.Shadow != "" {
		return o.files().check
	}
	p := &pluggable{service: cmp.Or(o.Service, "sluice"), dir: o.ServiceDir, slots: make(chan struct{}, pamConcurrency)}
	return p.check
}

// pluggable checks users by PAM.
type pluggable struct {
	service, dir string
	slots        chan struct{}
}

// check returns when ctx ends, although PAM knows no such thing: what was begun goes on, and keeps its slot.
func (p *pluggable) check(ctx context.Context, login auth.Login, listed bool) error {
	if !listed {
		return auth.ErrRejected
	}
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	answer := make(chan error, 1)
	go func() {
		defer func() { <-p.slots }()
		answer <- p.ask(login)
	}()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pluggable) ask(login auth.Login) (err error) {
	t, err := p.start(login)
	if err != nil {
		return fmt.Errorf("pam: starting %s: %w", p.service, err)
	}
	defer func() { err = errors.Join(err, t.End()) }()
	if login.Client.IsValid() {
		if err := t.SetItem(pam.Rhost, login.Client.Addr().Unmap().String()); err != nil {
			return fmt.Errorf("pam: %w", err)
		}
	}
	if err := t.Authenticate(pam.Silent | pam.DisallowNullAuthtok); err != nil {
		return pamVerdict(err)
	}
	if err := t.AcctMgmt(pam.Silent | pam.DisallowNullAuthtok); err != nil {
		return pamVerdict(err)
	}
	return nil
}

func (p *pluggable) start(login auth.Login) (*pam.Transaction, error) {
	asked := false
	converse := func(style pam.Style, _ string) (string, error) {
		switch style {
		case pam.ErrorMsg, pam.TextInfo:
			return "", nil
		case pam.PromptEchoOff:
			if !asked {
				asked = true
				return login.Password, nil
			}
		}
		return "", errors.New("there is but a password") // not one to a second question
	}
	if p.dir != "" {
		return pam.StartConfDir(p.service, login.Username, pam.ConversationFunc(converse), p.dir)
	}
	return pam.StartFunc(p.service, login.Username, converse)
}

// pamVerdict tells answers about the user from failures of PAM.
func pamVerdict(err error) error {
	for _, no := range []pam.Error{pam.ErrAuth, pam.ErrUserUnknown, pam.ErrCredInsufficient, pam.ErrMaxtries,
		pam.ErrPermDenied,
		pam.ErrAcctExpired, pam.ErrNewAuthtokReqd, pam.ErrAuthtokExpired, pam.ErrCredExpired, pam.ErrConv, pam.ErrConvAgain} {
		if errors.Is(err, no) {
			return fmt.Errorf("pam: %w: %w", err, auth.ErrRejected)
		}
	}
	return fmt.Errorf("pam: %w", err)
}
