package admin

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/sluicemail/sluice/config/settings"
)

// Token is who may use the REST API. The token itself is nowhere: only its hash is kept.
type Token struct {
	ID       int64  `json:"id"`
	Name     string `json:"name"`
	Created  string `json:"created,omitempty"`   // YYYY-MM-DD HH:MM:SS, UTC
	LastUsed string `json:"last-used,omitempty"` // likewise, to about a minute; "": never
	Enabled  bool   `json:"enabled"`
}

// Tokens lists all tokens.
func (a *Admin) Tokens(ctx context.Context) ([]Token, error) {
	all := []Token{}
	err := a.view(ctx, func(s settings.Store) error {
		rows, _, err := settings.List[settings.Token](ctx, s)
		for _, r := range rows {
			used := a.used.latest(r.ID, r.LastUsed)
			all = append(all, Token{ID: r.ID, Name: r.Name, Created: r.Created, LastUsed: used, Enabled: r.Enabled})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// AddToken makes a token with a name that no other has, and returns it: it cannot be shown again.
func (a *Admin) AddToken(ctx context.Context, name string) (Token, string, error) {
	var row settings.Token
	var secret string
	err := a.change(ctx, func(s settings.Store) (err error) {
		row, secret, err = NewToken(ctx, s, name, a.now())
		return err
	})
	if err != nil {
		return Token{}, "", err
	}
	a.did(ctx, "token added", "token", row.Name)
	return Token{ID: row.ID, Name: row.Name, Created: row.Created, Enabled: true}, secret, nil
}

// NewToken is [Admin.AddToken] for a program that has the database only.
func NewToken(ctx context.Context, s settings.Store, name string, now time.Time) (settings.Token, string, error) {
	const longest = 100
	name = strings.TrimSpace(name)
	if name == "" || len(name) > longest || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return settings.Token{}, "", invalid("name", name, "a name of up to 100 printable characters")
	}
	n, err := settings.Count[settings.Token](ctx, s, settings.Query{Column: "name", Value: name})
	if err != nil {
		return settings.Token{}, "", err
	}
	if n > 0 {
		return settings.Token{}, "", &Conflict{Reason: "there is a token named " + show(name) + " already"}
	}
	secret, hash := settings.NewToken()
	row := settings.Token{Name: name, Hash: hash, Created: settings.FormatTime(now), Enabled: true}
	return row, secret, settings.Insert(ctx, s, &row)
}

// EnableToken switches a token on or off.
func (a *Admin) EnableToken(ctx context.Context, name string, on bool) error {
	err := a.change(ctx, func(s settings.Store) error {
		rows, _, err := settings.Select[settings.Token](ctx, s, settings.Query{Column: "name", Value: name})
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return notFound("there is no token named " + show(name))
		}
		for i := range rows {
			rows[i].Enabled = on
			if err := settings.Update(ctx, s, &rows[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	a.did(ctx, "token switched", "token", name, "enabled", on)
	return nil
}

// DeleteToken deletes the token with a name.
func (a *Admin) DeleteToken(ctx context.Context, name string) error {
	err := a.change(ctx, func(s settings.Store) error {
		n, err := settings.DeleteWhere[settings.Token](ctx, s, settings.Query{Column: "name", Value: name})
		if err == nil && n == 0 {
			return notFound("there is no token named " + show(name))
		}
		return err
	})
	if err != nil {
		return err
	}
	a.did(ctx, "token deleted", "token", name)
	return nil
}

// CheckToken returns the name of a token when the token is in force. A token that was added to the database by
// somebody else counts at once: the settings are loaded when it is first used. The time that the look-up takes tells
// nothing about other tokens, as it goes by the hash.
func (a *Admin) CheckToken(ctx context.Context, secret string) (name string, ok bool) {
	if a.Settings == nil || secret == "" {
		return "", false
	}
	row, ok := a.Settings.Current().Tokens.Find(secret)
	if !ok {
		row, ok = a.newToken(ctx, secret)
	}
	if !ok {
		return "", false
	}
	a.tokenUsed(row.ID)
	return row.Name, true
}

// newToken looks for a token in the database itself.
func (a *Admin) newToken(ctx context.Context, secret string) (settings.Token, bool) {
	var found []settings.Token
	err := a.Settings.Read(ctx, func(s settings.Store) (err error) {
		found, _, err = settings.Select[settings.Token](ctx, s,
			settings.Query{Column: "hash", Value: string(settings.HashToken(secret))})
		return err
	})
	if err != nil || len(found) == 0 || !found[0].Enabled || !found[0].Matches(secret) {
		return settings.Token{}, false
	}
	a.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		_ = a.Settings.Reload(ctx) // what fails is logged there, and tried again
	})
	return found[0], true
}

// tokenUse remembers when tokens were used, and writes it now and then.
type tokenUse struct {
	mu      sync.Mutex
	at      map[int64]time.Time // not yet written
	written time.Time
	writing bool
}

// writeUses is how often the times are written.
const writeUses = time.Minute

func (u *tokenUse) latest(id int64, stored string) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if at, ok := u.at[id]; ok {
		return settings.FormatTime(at)
	}
	return stored
}

// tokenUsed notes the use of a token. The database hears of it within a minute of use, in the background.
func (a *Admin) tokenUsed(id int64) {
	now := a.now()
	u := &a.used
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.at == nil {
		u.at = make(map[int64]time.Time)
	}
	u.at[id] = now
	if !u.writing && now.Sub(u.written) >= writeUses {
		u.writing, u.written = true, now
		a.work.Go(a.flushTokens)
	}
}

// flushTokens writes the times. A database that is down costs no more than these: they are tried again.
func (a *Admin) flushTokens() {
	u := &a.used
	u.mu.Lock()
	at := u.at
	u.at = nil
	u.mu.Unlock()
	var err error
	if len(at) > 0 && a.Settings != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err = a.Settings.Read(ctx, func(s settings.Store) error { return writeTokenUses(ctx, s, at) })
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.writing = false
	if err != nil {
		if u.at == nil {
			u.at = make(map[int64]time.Time, len(at))
		}
		for id, t := range at {
			if u.at[id].IsZero() {
				u.at[id] = t
			}
		}
	}
}

// writeTokenUses goes around the settings' reload: nothing in force depends on these times.
func writeTokenUses(ctx context.Context, s settings.Store, at map[int64]time.Time) error {
	for id, t := range at {
		row, err := settings.Get[settings.Token](ctx, s, id)
		if err != nil {
			continue // it was deleted
		}
		row.LastUsed = settings.FormatTime(t)
		if err := settings.Update(ctx, s, &row); err != nil {
			return err
		}
	}
	return nil
}
