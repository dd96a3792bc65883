package users_test

import (
	"fmt"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/auth/users"
)

func Example() {
	backend, err := users.New(users.Options{Names: []string{"mailerq", "client*"}})
	fmt.Println(backend, err)
	// Output: users mailerq,client* <nil>
}

func ExampleOpen() {
	var mux auth.Mux
	mux.Handle("users", users.Open)
	_, err := mux.Open("users://mailerq,client[1-3")
	fmt.Println(err)
	// Output: auth: users: user: pattern "client[1-3": a [ has no ]
}
