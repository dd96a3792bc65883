// Package database opens SQL databases by their address: SQLite, PostgreSQL, MySQL and MariaDB. [Parse] takes an
// address apart; [Postgres], [MySQL] and [SQLite] make a pool of connections, none of which is open yet. What the
// tables are is for others to say.
package database

// AddressError is an address that is not understood. It shows nothing of what may be a password.
type AddressError struct{ Reason string }

func (e *AddressError) Error() string { return e.Reason }
