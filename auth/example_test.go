package auth_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/sluicemail/sluice/auth"
)

func Example() {
	var mux auth.Mux
	mux.Handle("hardcoded", auth.OpenHardcoded)
	mux.Handle("http", auth.OpenHTTP)
	mux.Handle("exec", auth.OpenExec)
	accounts, err := mux.Open("hardcoded://alice:sesame,bob:hunter2")
	if err != nil {
		log.Fatal(err)
	}
	guarded := &auth.Limit{Backend: &auth.Cache{Backend: accounts}}
	for _, password := range []string{"sesame", "sezam"} {
		err := guarded.Authenticate(context.Background(), auth.Login{Username: "alice", Password: password, Service: "smtp"})
		_, limited := errors.AsType[*auth.Limited](err)
		switch {
		case err == nil:
			fmt.Println("235 2.7.0 welcome")
		case errors.Is(err, auth.ErrRejected):
			fmt.Println("535 5.7.8 wrong user name or password")
		case limited:
			fmt.Println("454 4.7.0 too many failed logins, try again later")
		default:
			fmt.Println("454 4.7.0 cannot tell now, try again later")
		}
	}
	// Output:
	// 235 2.7.0 welcome
	// 535 5.7.8 wrong user name or password
}

func ExampleMux() {
	var mux auth.Mux
	mux.Handle("hardcoded", auth.OpenHardcoded)
	_, err := mux.Open("ldap://host/dc=example")
	fmt.Println(err)
	// Output:
	// auth: there is no "ldap", expected is hardcoded
}

func ExampleAny() {
	staff := auth.Hardcoded(map[string]string{"alice": "sesame"})
	robots := auth.Func(func(ctx context.Context, login auth.Login) error {
		return errors.New("the robots' register is down")
	})
	either := auth.Any(staff, robots)
	fmt.Println(either.Authenticate(context.Background(), auth.Login{Username: "alice", Password: "sesame"}))
	fmt.Println(either.Authenticate(context.Background(), auth.Login{Username: "r2d2", Password: "beep"}))
	// Output:
	// <nil>
	// the robots' register is down
}
