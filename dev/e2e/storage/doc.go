// Package storage has tests only: a real mtad delivers mails that are in a message store, puts them there, and goes on
// while the store is away.
package storage
