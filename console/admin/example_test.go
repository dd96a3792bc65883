package admin_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/config/snapshot"
	"github.com/sluicemail/sluice/console/admin"
)

// A pause is set by what it selects, and in force when the call returns.
func Example() {
	ctx := context.Background()
	quiet := slog.New(slog.DiscardHandler)
	keeper := &snapshot.Keeper{Logger: quiet, Open: func(ctx context.Context) (*settings.DB, error) {
		return settings.OpenSQLite(ctx, ":memory:", settings.Options{})
	}}
	if err := keeper.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer func() {
		ended, end := context.WithCancel(ctx)
		end()
		keeper.Run(ended) // closes the database; a server has it running all the time
	}()
	a := &admin.Admin{Settings: keeper, Instance: 1, Logger: quiet}
	defer a.Close()

	ctx = admin.As(ctx, admin.Actor{Name: "anna", Via: "console"})
	pause, created, err := a.PutResource(ctx, "pauses", admin.Values{"domain": "Example.com", "expire": "1893456000"})
	fmt.Println(pause, created, err)
	_, _, err = a.PutResource(ctx, "errors", admin.Values{"domain": "example.com", "code": "700"})
	fmt.Println(err)
	for entry, err := range a.WalkResource(ctx, "pauses", nil) {
		fmt.Println(entry, err)
	}
	// Output:
	// map[cluster:false domain:example.com expire:2030-01-01 00:00:00] true <nil>
	// code: got "700", expected an integer from 400 to 599
	// map[cluster:false domain:example.com expire:2030-01-01 00:00:00] <nil>
}
