// Package cluster lets instances of a mail server on several machines know of each other, over an exchange of a
// RabbitMQ broker. Where mail waits does not matter for that.
//
// A Member has a private queue, bound to the exchange, for as long as it is connected. What is said there is JSON, and
// everybody hears it:
//
//	{"hello": true}                 announce yourselves
//	{"reload": true}                the settings have changed: read them again
//	{"announce": {…}}               an Instance: host, console URL, addresses, outbox
//	{"leave": "ID"}                 the instance with this id ends
//
// Members put their id into "from", so that they do not heed themselves; messages without it, from any program, are
// heeded. A member says hello and announces itself when it has connected, and announces itself every few minutes from
// then on. One that has not been heard of for three times as long is forgotten. Who is known is kept in Options.File
// over a restart, and counts as heard of then. Unknown properties are ignored; messages that are no such JSON are too,
// and the log hears of the first. A semicolon may stand for a comma, and one may be too many: { "reload": true; } is
// how MailerQ's documentation writes it.
//
// A broker that is away is tried again and again, with a growing delay. What Changed was to tell meanwhile is told when
// the broker is back. Many reloads that arrive while one is under way are one.
package cluster
