// Package mailboxes has tests only: a real mtad delivers into mailboxes, over LMTP and into Maildirs, and what is there
// is read back through a real Dovecot, or from the files.
package mailboxes
