package queue

import "strings"

// Class says, in one word, why an attempt did not deliver a mail: what a person, a rule or a graph wants to know of a
// reply, whatever its words. What is behind a slash says which check it was. Results of mails that were delivered have
// none. MailerQ does not have this property.
type Class string

// The classes that replies have, and what happens on the way to a reply.
const (
	ClassAddressUnknown    Class = "address-unknown"
	ClassDomainUnknown     Class = "domain-unknown" // or it takes no mail
	ClassMailboxFull       Class = "mailbox-full"
	ClassMailboxDisabled   Class = "mailbox-disabled"
	ClassRelaying          Class = "relaying" // the server is not one for this recipient
	ClassSenderRefused     Class = "sender-refused"
	ClassPolicy            Class = "policy"
	ClassSpamContent       Class = "spam-content"
	ClassVirus             Class = "virus"
	ClassReputationAddress Class = "reputation-address" // of the address that the mail left from
	ClassReputationDomain  Class = "reputation-domain"  // of the sender, of a signature, of a link
	ClassAuthentication    Class = "authentication"     // of several checks, or it is not said of which
	ClassSPF               Class = "authentication/spf"
	ClassDKIM              Class = "authentication/dkim"
	ClassDMARC             Class = "authentication/dmarc"
	ClassPTR               Class = "authentication/ptr" // the name of the address that the mail left from
	ClassARC               Class = "authentication/arc"
	ClassRateLimited       Class = "rate-limited"
	ClassGreylisted        Class = "greylisted"
	ClassTooLarge          Class = "too-large"
	ClassContent           Class = "content" // the mail is not as the standards want it
	ClassTLS               Class = "tls"
	ClassLogin             Class = "login" // AUTH at a smarthost
	ClassProtocol          Class = "protocol"
	ClassLoop              Class = "loop"
	ClassSystem            Class = "system" // the receiver has trouble of its own
	ClassNetwork           Class = "network"
	ClassDNS               Class = "dns" // the DNS gave no answer
)

// The classes of what was not sent at all.
const (
	ClassExpired     Class = "expired"
	ClassSuppressed  Class = "suppressed"
	ClassRefusedHere Class = "refused-here" // by a rule of an operator
	ClassFailedHere  Class = "failed-here"  // by trouble of ours
)

// ClassOther is that of a reply that says nothing about why.
const ClassOther Class = "other"

// classes are all of them, with their words.
var classes = []struct {
	Class
	wrong, todo string // sentences; what has no words of its own has those of its Base
}{
	{ClassAddressUnknown, "Nobody has this address there.",
		"Look whether it is spelt correctly, or ask the recipient for the right one."},
	{ClassDomainUnknown, "The part of the address behind the @ does not exist, or takes no mail.",
		"Look whether it is spelt correctly."},
	{ClassMailboxFull, "The mailbox is full.", "Try again in a few days, or reach the recipient in another way."},
	{ClassMailboxDisabled, "The mailbox exists, but takes no mail at present.", "Reach the recipient in another way."},
	{ClassRelaying, "The server that was asked takes no mail for this recipient.",
		"The people who look after mail for the recipient have to mend that."},
	{ClassSenderRefused, "The receiver takes no mail from this sender address.",
		"The people who look after your mail can help."},
	{ClassPolicy, "The rules of the receiver forbid this mail.",
		"The reply may say why; the people who look after your mail can help."},
	{ClassSpamContent, "The receiver takes the mail for unwanted advertising.",
		"Write it in other words, with fewer links, or reach the recipient in another way."},
	{ClassVirus, "The receiver found something dangerous in the mail, or a kind of file that may be.",
		"Send it without the attachment."},
	{ClassReputationAddress, "The receiver distrusts the server that sent the mail.",
		"The people who look after your mail can help."},
	{ClassReputationDomain, "The receiver distrusts the domain of the sender, or one that the mail links to.",
		"The people who look after your mail can help."},
	{ClassAuthentication, "The receiver could not make sure that the mail comes from its sender.",
		"The people who look after your mail can help."},
	{Class: ClassSPF}, {Class: ClassDKIM}, {Class: ClassDMARC}, {Class: ClassPTR}, {Class: ClassARC},
	{ClassRateLimited, "The receiver had too much mail from here, or for this recipient, in a short time.",
		"Try again later."},
	{ClassGreylisted, "The receiver takes mail of senders that it does not know only at the second try.",
		"Try again later."},
	{ClassTooLarge, "The mail is too large for the recipient.",
		"Send less, or send a link to the file instead of the file."},
	{ClassContent, "The mail is not written as the standards want it.",
		"The people who look after the program that made it can help."},
	{ClassTLS, "The mail could not be sent over a connection as safe as it has to be.",
		"The people who look after mail on both sides can help."},
	{ClassLogin, "The login at the server that passes mail on failed.", "The people who look after your mail can help."},
	{ClassProtocol, "The servers did not understand each other.", "The people who look after mail on both sides can help."},
	{ClassLoop, "The mail went in circles between servers.",
		"The people who look after mail for the recipient have to mend that."},
	{ClassSystem, "The server of the recipient had trouble of its own.", "Try again later."},
	{ClassNetwork, "No server that takes mail for the recipient could be reached, or none of them finished a conversation.",
		"Try again later, or reach the recipient in another way."},
	{ClassDNS, "It could not be found out which server takes mail for the recipient.",
		"Try again later, or look whether the address is spelt correctly."},
	{ClassExpired, "The mail could not be delivered in the time that it had.",
		"Send it again, or reach the recipient in another way."},
	{ClassSuppressed, "This address is on the list of addresses to which no mail is sent from here.", ""},
	{ClassRefusedHere, "The rules of the server that was to send the mail forbid it.",
		"The people who look after your mail can help."},
	{ClassFailedHere, "The server that was to send the mail had trouble of its own.",
		"The people who look after your mail can help."},
	{ClassOther, "The server of the recipient did not take the mail.", ""},
}

// Classes returns all classes, in the order of the documentation.
func Classes() []Class {
	all := make([]Class, len(classes))
	for i := range classes {
		all[i] = classes[i].Class
	}
	return all
}

// Known reports whether it is one of [Classes].
func (c Class) Known() bool {
	for i := range classes {
		if classes[i].Class == c {
			return true
		}
	}
	return false
}

// Base returns the class without what is behind the slash.
func (c Class) Base() Class {
	base, _, _ := strings.Cut(string(c), "/")
	return Class(base)
}

// Is reports whether the class is the given one, or a part of it: authentication/spf is authentication.
func (c Class) Is(class Class) bool { return c == class || c.Base() == class }

// Words returns what the class means to people, in English: what is wrong, and what its sender can do, "" when that is
// nothing. Those of an unknown class are [ClassOther]'s.
func (c Class) Words() (wrong, todo string) {
	base := c.Base()
	for i := range classes {
		if classes[i].Class == base {
			return classes[i].wrong, classes[i].todo
		}
	}
	return ClassOther.Words()
}
