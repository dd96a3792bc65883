package ctl

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/sluicemail/sluice/config/settings"
)

type settingsCommand struct {
	Accept acceptCommand `cmd:"" help:"Say that the settings database is meant to be empty: the settings of the last run are dropped."`
}

// acceptCommand drops the rows that a server holds on to because its database has none any more.
type acceptCommand struct{}

func (acceptCommand) Run(s *session) error {
	if s.command.SettingsCache == nil {
		return &failure{ExitUsage, "no settings of an earlier run are kept here"}
	}
	cache, err := s.command.SettingsCache(s.options.ConfigFile)
	if err != nil {
		return err
	}
	return s.database(func(db *settings.DB) error { return accept(s, db, cache) })
}

func accept(s *session, db *settings.DB, cache string) error {
	empty, err := db.Empty(s.ctx)
	if err != nil {
		return err
	}
	if !empty {
		return &failure{ExitFailed, fmt.Sprintf("there is nothing to accept: %s has rows, and they are what counts", db)}
	}
	n := 0
	rows, err := settings.LoadCache(cache)
	switch {
	case err == nil:
		n = rows.Len()
	case errors.Is(err, settings.ErrCache):
		n = -1 // nobody knows
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	if n == 0 {
		return &failure{ExitFailed,
			fmt.Sprintf("there is nothing to accept: %s is empty, and no settings of an earlier run are kept", db)}
	}
	dropped := strconv.Itoa(n)
	if n < 0 {
		dropped = "unknown"
	}
	if err := settings.RemoveCache(cache); err != nil {
		return err
	}
	if s.options.JSON {
		return s.encode(map[string]any{"dropped": dropped})
	}
	_, err = fmt.Fprintf(s.out, "%s is taken as it is, empty; rows of the last run that were dropped: %s. "+
		"A running server follows within ten seconds.\n", db, dropped)
	return err
}
