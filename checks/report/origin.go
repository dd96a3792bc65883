package report

import (
	"slices"
	"strings"

	"github.com/sluicemail/sluice/internal/mailheader"
)

// origin is what kind of sender a header names.
type origin int

const (
	someone   origin = iota
	automatic        // a program, of which other things than bounces come: the mail has the null return path of RFC 5321 §4.5.5
	official         // an address of people and programs
	daemon           // a program that sends nothing but bounces
	notifier         // Amazon's notification service
)

// daemons are the local parts from which nothing but bounces come.
var daemons = []string{
	"mailer-daemon", "mailer_daemon", "mail-daemon", "mailerdaemon", "mdaemon", "mail-deliver", "mail-delivery-subsystem", "mail.delivery",
	"mail-delivery-system", "maildaemon", "bounce-daemon", "post_master", "postmaster-noreply",
}

// officials are local parts behind which there are people, too.
var officials = []string{"postmaster", "sysadmin", "postoffice", "mailadmin", "admin", "administrator", "system administrator"}

// sender tells who sent a mail. What came over a list was written by one of its members, whatever their name.
func sender(header []byte) origin {
	from, named, manager, admin := someone, false, false, false
	s := mailheader.NewScanner(header)
	for f, ok := s.Next(); ok; f, ok = s.Next() {
		switch {
		case f.Is("x-failed-recipients"):
			return daemon
		case f.Is("x-amz-sns-message-id"):
			return notifier
		case f.Is("x-mlserver"):
			manager = true
		case f.Is("from") && !named:
			value := strings.ToLower(decodeWords(fieldText(f)))
			from, named, admin = senderIn(value), true, strings.Contains(value, "-admin@")
		case f.Is("list-id") || f.Is("list-post") || f.Is("list-unsubscribe"):
			return someone
		}
	}
	switch {
	case manager && admin: // fml, which answers to posts that it does not take
		return official
	case from == someone && nullSender(header):
		return automatic
	}
	return from
}

// nullSender reports whether a mail came with the null return path, as everything does that may not be answered (RFC 5321 §4.5.5).
func nullSender(header []byte) bool {
	s := mailheader.NewScanner(header)
	for f, ok := s.Next(); ok; f, ok = s.Next() {
		if f.Is("return-path") {
			return string(f.Value()) == "<>" || strings.HasPrefix(strings.ToLower(string(f.Value())), "<mailer-daemon")
		}
	}
	return false
}

// senderIn tells who is meant by the value of From, in lower case.
func senderIn(from string) origin {
	name, address, angled := strings.Cut(from, "<")
	if !angled {
		address, name, _ = strings.Cut(from, "(")
	}
	local, _, _ := strings.Cut(strings.TrimSpace(address), "@")
	local = strings.Trim(local, `" >`)
	switch name = strings.Trim(name, `" )`); {
	case slices.Contains(daemons, local), strings.HasPrefix(local, "microsoftexchange"), angled && local == "":
		return daemon
	case slices.Contains(officials, local), containsAny(name, []string{"mailer-daemon", "mail delivery s", "mdaemon", "mail deliver system"}):
		return official
	}
	return someone
}
