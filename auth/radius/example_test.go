package radius_test

import (
	"fmt"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/auth/radius"
)

func Example() {
	backend, err := radius.New(radius.Options{
		Address:    "[2001:db8::1]",
		Identifier: "mx1",
		Secret:     "what the server knows for mx1",
	})
	fmt.Println(backend, err)
	// Output: radius [2001:db8::1]:1812 as mx1 <nil>
}

func ExampleOpen() {
	var mux auth.Mux
	mux.Handle("radius", radius.Open)
	_, err := mux.Open("radius://mx1:secret@radius.example.com?message-authenticator=never")
	fmt.Println(err)
	// Output: auth: radius: parameter message-authenticator="never": expected required or optional
}
