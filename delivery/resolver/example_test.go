package resolver_test

import (
	"context"
	"fmt"
	"log"

	"github.com/sluicemail/sluice/delivery/resolver"
)

func Example() {
	r, err := resolver.New(resolver.Options{Servers: []string{"192.0.2.53"}})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()

	result, err := r.MX(context.Background(), "example.org")
	switch {
	case resolver.IsNotFound(err):
		fmt.Println("no mail exchangers")
	case err != nil:
		fmt.Println("ask again later:", err)
	default:
		for _, mx := range result.Records {
			fmt.Println(mx.Preference, mx.Host)
		}
	}
}
