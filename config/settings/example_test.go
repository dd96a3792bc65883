package settings_test

import (
	"context"
	"fmt"

	"github.com/sluicemail/sluice/config/settings"
)

// A database of its own, a row, and all that is in it.
func Example() {
	ctx := context.Background()
	db, err := settings.Open(ctx, "sqlite://:memory:", settings.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()

	local := settings.Local{Address: "*@example.com", Type: settings.Wildcard, Enabled: true}
	if err := settings.Insert(ctx, db, &local); err != nil {
		fmt.Println(err)
		return
	}
	rows, err := db.Load(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, l := range rows.Locals {
		fmt.Println(l.ID, l.Address, l.Type)
	}
	// Output: 1 *@example.com fnmatch
}

// Several rows that belong together.
func ExampleDB_Tx() {
	ctx := context.Background()
	db, err := settings.Open(ctx, "sqlite://:memory:", settings.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	err = db.Tx(ctx, func(tx *settings.Tx) error {
		if err := settings.Insert(ctx, tx, &settings.Pool{Name: "fast", Enabled: true}); err != nil {
			return err
		}
		return settings.Insert(ctx, tx, &settings.PoolIP{Pool: "fast", IP: "192.0.2.1"})
	})
	fmt.Println(err)
	// Output: <nil>
}
