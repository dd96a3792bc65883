package ldap_test

import (
	"fmt"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/auth/ldap"
)

func Example() {
	backend, err := ldap.New(ldap.Options{
		Address:  "ldap.example.com",
		BaseDN:   "ou=people,dc=example,dc=com",
		Security: ldap.StartTLS,
	})
	fmt.Println(backend, err)
	// Output: ldap with StartTLS ldap.example.com:389 ou=people,dc=example,dc=com <nil>
}

func ExampleOpen() {
	var mux auth.Mux
	mux.Handle("ldap", ldap.Open)
	mux.Handle("ldaps", ldap.Open)
	_, err := mux.Open("ldaps://ldap.example.com/dc=example,dc=com?verify=no")
	fmt.Println(err)
	// Output: auth: ldaps: parameter "verify" is unknown: expected starttls, ca, server-name, attribute, timeout, connections
}
