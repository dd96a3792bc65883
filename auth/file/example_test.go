package file_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/auth/file"
)

func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "users.txt")
	line := "alice:$6$rounds=1000$MuZ.ZTdlRJ0zHPxS$pPopUkYjchlws6NvBIxi20/HdCH7ZLzo1WMD.Cj/BMfWwBDzfJkm3Tol.QNSwyg/4H2WjHyhRcNQYGB4qB0hl.\n"
	if err := os.WriteFile(path, []byte(line), 0o600); err != nil {
		log.Fatal(err)
	}
	users, err := file.New(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(users.Authenticate(context.Background(), auth.Login{Username: "alice", Password: "x"}))
	err = users.Authenticate(context.Background(), auth.Login{Username: "alice", Password: "y"})
	fmt.Println(errors.Is(err, auth.ErrRejected))
	// Output:
	// <nil>
	// true
}
