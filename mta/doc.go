// Package mta puts the rooms together into a complete mail transfer agent that reads MailerQ's configuration file. It
// only wires: what it wires together lives in the packages below it, and is of use without it.
//
//  1. Load reads the configuration, and finds what would keep the MTA from starting.
//  2. Open opens all parts, one constructor each, from the parts before them; Options put parts of your own in place of
//     those of the configuration. Ports are bound first, then privileges are dropped, then come queue, settings,
//     delivery, checks, intake and console. When one fails, those before it are closed again.
//  3. Run lets clients in, takes and delivers mail; Ready tells when it does. Reload puts of another configuration in
//     force what can change meanwhile, or says why it cannot be used and changes nothing.
//  4. Shutdown, or the end of Run's ctx, ends it in order: no new clients, sessions finish, mails on their way finish,
//     and what Open opened is closed, the last first.
package mta
