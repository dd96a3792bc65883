package ctl

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/admin"
)

type tokenCommand struct {
	Add struct {
		Name string `arg:"" help:"Whose it is."`
	} `cmd:"" help:"Make a token, and print it: it cannot be shown again."`
	List struct {
	} `cmd:"" help:"List tokens."`
	Delete struct {
		Name string `arg:""`
	} `cmd:"" help:"Delete a token."`
}

// database opens the settings database for the time of do.
func (s *session) database(do func(*settings.DB) error) error {
	if s.command.OpenSettings == nil {
		return &failure{ExitUsage, "there is no settings database here"}
	}
	db, err := s.command.OpenSettings(s.ctx, s.options.ConfigFile)
	if err != nil {
		return err
	}
	defer db.Close()
	return do(db)
}

// Run is called for each of the three.
func (c *tokenCommand) Run(s *session) error {
	return s.database(func(db *settings.DB) error {
		switch {
		case c.Add.Name != "":
			return addToken(s, db, c.Add.Name)
		case c.Delete.Name != "":
			return deleteToken(s, db, c.Delete.Name)
		}
		return listTokens(s, db)
	})
}

func addToken(s *session, db *settings.DB, name string) error {
	var secret string
	err := db.Tx(s.ctx, func(tx *settings.Tx) (err error) {
		_, secret, err = admin.NewToken(s.ctx, tx, name, time.Now())
		return err
	})
	if err != nil {
		return err
	}
	if s.options.JSON {
		return s.encode(map[string]any{"name": name, "token": secret})
	}
	if _, err = fmt.Fprintln(s.out, secret); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.notes, "The token of %q was added to %s.\n", name, db)
	return err
}

func deleteToken(s *session, db *settings.DB, name string) error {
	n, err := settings.DeleteWhere[settings.Token](s.ctx, db, settings.Query{Column: "name", Value: name})
	if err == nil && n == 0 {
		err = &failure{ExitFailed, fmt.Sprintf("there is no token named %q in %s", name, db)}
	}
	if err != nil {
		return err
	}
	if s.options.JSON {
		return s.encode(map[string]any{"deleted": n})
	}
	_, err = fmt.Fprintf(s.notes, "The token of %q was deleted from %s.\n", name, db)
	return err
}

func listTokens(s *session, db *settings.DB) error {
	rows, _, err := settings.List[settings.Token](s.ctx, db)
	if err != nil {
		return err
	}
	all := make([]admin.Token, len(rows))
	for i, r := range rows {
		all[i] = admin.Token{ID: r.ID, Name: r.Name, Created: r.Created, LastUsed: r.LastUsed, Enabled: r.Enabled}
	}
	data, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return s.printRows(data, "id", "name", "created", "last-used", "enabled")
}
