package report

import (
	"slices"
	"strings"

	"github.com/sluicemail/sluice/internal/mailheader"
)

// origin is what kind of sender a header names.
type origin int

const (
	someone    origin = iota
	automatic         // a program, of which other things than bounces come: the mail has a null return path
	official          // an address of people and programs
	daemon            // a program that sends nothing but bounces
	notifier          // Amazon's notification service
	complainer        // Microsoft's Junk Mail Reporting Program
)

// daemons are the local parts from which nothing but bounces come.
var daemons = []string{
	"mailer-daemon", "mailer_daemon", "mail-daemon", "mailerdaemon", "maildaemon", "mdaemon", "bounce-daemon",
	"mail-deliver", "mail.delivery",
	"mail-delivery-system", "mail-delivery-subsystem", "post_master", "postmaster-noreply",
}

// officials are local parts behind which there are people, too.
var officials = []string{"postmaster", "sysadmin", "postoffice", "mailadmin", "admin", "administrator"}

// officialNames are parts of names with which programs call themselves.
var officialNames = []string{"mailer-daemon", "mail delivery s", "mail deliver system", "mdaemon"}

// sender tells who sent a mail, and whether with a null return path, as everything has that may not be answered (RFC
// 5321 §4.5.5). What came over a list was written by one of its members, whatever their name.
func sender(header []byte) (from origin, null bool) {
	author, manager := "", false
	s := mailheader.NewScanner(header)
	for f, ok := s.Next(); ok; f, ok = s.Next() {
		switch {
		case f.Is("x-failed-recipients"):
			return daemon, null
		case f.Is("x-amz-sns-message-id"):
			return notifier, null
		case f.Is("list-id") || f.Is("list-post") || f.Is("list-unsubscribe"):
			return someone, null
		case f.Is("subject") && strings.HasPrefix(string(f.Value()), junk):
			return complainer, null
		case f.Is("x-mlserver"):
			manager = true
		case f.Is("return-path"):
			null = isNull(string(f.Value()))
		case f.Is("from") && author == "":
			author = strings.ToLower(decodeWords(fieldText(f)))
		}
	}
	from = senderIn(author)
	switch {
	case from == someone && manager && strings.Contains(author, "-admin@"): // fml, about posts that it does not take
		from = official
	case from == someone && null:
		from = automatic
	}
	return from, null
}

// isNull reports whether a return path is null; old servers write their own name instead.
func isNull(path string) bool {
	return path == "<>" || strings.HasPrefix(strings.ToLower(path), "<mailer-daemon")
}

// senderIn tells who is meant by the value of From, in lower case.
func senderIn(from string) origin {
	name, address, angled := strings.Cut(from, "<")
	if !angled {
		address, name, _ = strings.Cut(from, "(")
	}
	local, _, _ := strings.Cut(strings.TrimSpace(address), "@")
	switch local = strings.Trim(local, `" >`); {
	case slices.Contains(daemons, local), strings.HasPrefix(local, "microsoftexchange"), angled && local == "":
		return daemon
	case slices.Contains(officials, local), containsAny(name, officialNames):
		return official
	}
	return someone
}
