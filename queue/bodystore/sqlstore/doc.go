// Package sqlstore keeps mails in a table of SQLite, PostgreSQL, MySQL or MariaDB: sluice_mails, which is made when it
// is missing. A mail is cut into parts of up to [PartSize] bytes, one row each, so that neither side ever has more than
// one part of it in memory, and no packet is larger than servers accept as they are installed:
//
//	mail      the key, as bytes
//	part      0, 1, 2, ...
//	expires   seconds since 1970, of part 0; NULL of the others
//	size      of the whole mail in bytes, of part 0; NULL of the others
//	data      the bytes of the part
//
// A mail is written in one transaction. It begins with part 0, whose row it locks, so that two who write the same mail
// follow each other; then the further parts of an earlier mail are removed and those of the new one inserted. It is
// read by one statement, which sees one state of the table on every engine.
//
// The database need not be there when a store is opened: the table is made when it is first used.
package sqlstore
