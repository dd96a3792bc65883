package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/config/settings"
)

// maintainDatabase repairs or empties the settings database, for --repair-database and --purge-database.
func maintainDatabase(cfg *config.Config, s config.Switches, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	db, err := settings.Open(ctx, cfg.DatabaseAddress, settings.Options{SkipValidation: true})
	if err != nil {
		fmt.Fprintln(stderr, "mtad:", err)
		return databaseExit(err)
	}
	defer db.Close()
	if s.RepairDatabase {
		done, err := db.Repair(ctx)
		for _, line := range done {
			fmt.Fprintln(stdout, line)
		}
		if err != nil {
			fmt.Fprintln(stderr, "mtad:", err)
			return ExitFailed
		}
		if len(done) == 0 {
			fmt.Fprintln(stdout, "nothing to repair")
		}
	}
	if s.PurgeDatabase {
		if !s.Yes && !confirmed(stdin, stdout, fmt.Sprintf("Delete every setting in %s?", db)) {
			fmt.Fprintln(stdout, "nothing was deleted")
			return ExitFailed
		}
		n, err := db.Purge(ctx)
		if err == nil {
			err = settings.RemoveCache(cfg.SettingsCache())
		}
		if err != nil {
			fmt.Fprintln(stderr, "mtad:", err)
			return ExitFailed
		}
		fmt.Fprintln(stdout, n, "rows deleted, and the settings of the last run with them")
	}
	return ExitOK
}

func confirmed(stdin io.Reader, stdout io.Writer, question string) bool {
	fmt.Fprint(stdout, question, " Type yes: ")
	answer, _ := bufio.NewReader(stdin).ReadString('\n')
	return strings.TrimSpace(answer) == "yes"
}

// databaseExit is the exit code for a database that cannot be opened: a wrong address or choice is a mistake in the
// configuration.
func databaseExit(err error) int {
	var address *settings.AddressError
	var schema *settings.SchemaError
	if errors.As(err, &address) || errors.As(err, &schema) {
		return ExitConfig
	}
	return ExitFailed
}
