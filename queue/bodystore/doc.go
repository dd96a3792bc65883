// Package bodystore keeps mails outside the queue, under a key: the property key of a message takes the place of its
// mime. A broker then moves messages of a few hundred bytes, whatever the mails weigh, and a mail to a thousand
// recipients is stored once.
//
// [Store] is what a program uses; it compresses, limits the time and the number of operations, and gives back mails
// that can be read at any place ([Mail]). A [Driver] beneath it only moves bytes:
//
//	dir        a directory of a local or shared file system
//	sqlstore   a table in SQLite, PostgreSQL, MySQL or MariaDB
//	s3         a bucket of Amazon S3, or of a server that speaks its protocol
//	mongostore a collection of MongoDB, in MailerQ's layout
//
// [Wrap] puts a store before any queue: by a [Policy], mails are put into the store when messages are published or
// settled, and the queue gets their keys. Who delivers a message fetches its mail when its turn has come
// ([Store.Fetch]). A [Mux] opens stores by the scheme of an address.
//
// # How long a mail is kept
//
// Each mail has a time before which it is not removed: [Store.Put] sets it to when the last attempt to deliver it can
// be, and a while beyond. Putting a mail again under its key only ever moves that time back. It is not moved forward
// when a message was delivered, as other messages may share the key. [Store.Sweep] removes what is over.
//
// # Crashes
//
// Put returns when the mail is durable, and before the message that names it is published: a crash in between leaves a
// mail that nobody asks for until it is swept. A mail is seen whole or not at all.
package bodystore
