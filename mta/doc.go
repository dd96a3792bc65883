// Package mta puts the rooms together into a complete mail transfer agent that reads MailerQ's configuration file. It
// only wires: what it wires together lives in the packages below it, and is of use without it.
package mta
