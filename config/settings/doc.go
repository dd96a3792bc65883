// Package settings keeps what an operator changes while mail flows: plain rows in a database of SQLite, PostgreSQL,
// MySQL or MariaDB. It knows how to read and write them, and nothing of what they mean; compiling them is for others.
//
// # How settings come into memory
//
//  1. [Open] takes an address apart and connects. It looks at the catalogue before it writes anything: tables of
//     another program (MailerQ's own have the same names and other columns) are a [SchemaError], and stay as they are.
//  2. A database that is new, or older than this package, is brought up to date under a lock, so that several instances
//     may start at once. The migrations are made from the descriptions of the tables: a version brings the tables and
//     columns that name it as their Since. Which have run is in the table settings_version. On MySQL, where a table
//     cannot be made in a transaction, an interrupted migration is taken up again. testdata/ddl keeps what each version
//     did on each engine; for one that was released it never changes.
//  3. [DB.Validate] names every table, column and unique index that is not as it should be; [DB.Repair] adds what is
//     missing.
//  4. [DB.Load] reads all tables as they are at one moment into [Rows]. A row that cannot be read is left out and
//     listed as [Broken]; a plain token is replaced by its hash, with a [Notice].
//  5. [SaveCache] keeps the rows in a file. When the database is down at the next start, [LoadCache] has them.
//
// # Rows
//
// Every table has a struct: [Local] is a row of locals, and so on. The description beside it is the one place that ties
// columns to fields, and says what they hold, what they mean and how a form asks for them: [Table] and [Column].
// Migrations, queries, repairs, docs/settings.md, the checks of package admin, the fields of the REST API with their
// OpenAPI document, and the forms of the console are made from it. [List], [Select], [Get], [Insert], [Update],
// [Delete] work for all of them, on a [DB] or within [DB.Tx]. [Value] and [SetValue] reach a column by name, for forms
// and requests; [Named] reaches the rows of a table by its name.
//
// A column is added with .since(VERSION) in its description, and a field of the struct; go test ./config/settings
// -update then writes the page and what the new version does.
//
// NULL is read as the default ([Column.Default]): 0, false or the empty text for most. In a limit 0 is unlimited and
// [FallBack] leaves the value to the less specific rule. There are no foreign keys: rows refer to others by id, to
// pools by name, and may dangle. Others may write all tables as they like; [Insert] and [Update] write only what every
// engine can store, and set nothing by themselves but the ID.
//
// # Errors
//
// An [AddressError] or a [SchemaError] is a mistake in the configuration, for exit status 78. A [ValueError] is a row
// that cannot be written. An [Error] is a database that cannot be reached or refuses. None of them shows a password or
// a secret column; fields of type [Secret] print as asterisks.
//
// # Engines
//
// [OpenSQLite], [OpenPostgres] and [OpenMySQL] take a path or the driver's own configuration. Every statement is
// written once; what differs, such as quotes and types, is behind one small interface. Nothing is registered with
// database/sql by this package.
package settings
