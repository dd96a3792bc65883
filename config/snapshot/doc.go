// Package snapshot keeps the settings database's rows in memory, compiled into the types that each room works with.
//
// A [Keeper] opens the database and loads it: at its start, every few minutes, and whenever Reload is called. Each load
// makes a new [Snapshot] ([Compile]) and puts it behind one pointer, so that a room that asks for its part pays one
// load of a pointer and no lock. What was handed out stays as it is; the next question gets the new one.
//
// Rows that make no sense are left out, and told in Snapshot.Broken with their table and id; the others are in force.
//
// A database that is down never stops mail from coming in. At the start the rows of the last run, kept in a file, take
// its place; where there is no such file, nothing is known of who must get no mail, and all mail is held until the
// database is read. Later the last snapshot stays in force. A database that is opened and has no rows while the last
// run had some is taken for one that was lost, and is as good as down ([ErrEmptied]), until that file is removed. The
// keeper goes on trying. Only what is a mistake in the configuration, an address that cannot be understood or tables of
// another program, is an error of Start.
package snapshot
