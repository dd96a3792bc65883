// Package receivers knows receivers of mail: which hosts are one provider's, and what their replies mean. [Standard] is
// the [Book] that comes with the program; [Extend] makes one that knows more.
//
//	class := receivers.Standard().Class(&result, "gmail-smtp-in.l.google.com")
//
// [Book.Class] goes from what is certain to what is not. What ended before there was a reply, or without one, has its
// class by the state it ended in. A reply is looked up among the rules, of which the first that matches counts: those
// of an operator before the standard ones, and in each of the two those about the group of the host before general
// ones. General rules end with what codes mean by themselves (RFC 3463, RFC 5321, IANA's registry). What no rule is
// about is other.
//
// Groups are found by the names of MX hosts, never by the domains of recipients: many domains have their mail at
// somebody else's hosts.
//
// # The files
//
// Rules are data, in the files under data. A file is stanzas, divided by blank lines, of lines "name: value". A line
// that begins with a blank continues the one before; one that begins with # says nothing.
//
//	group: gmail                        the rules after it, up to the next group, are about these receivers
//	title: Gmail and Google Workspace   for people
//	mx: l.google.com mx*.example.com    names of hosts: this one and all under it; * is any part of one label
//	source: https://example.com/errors  of the rules that do not say another one, as date and confidence
//	date: 2026-02-15                    of the source
//	confidence: published               the receiver says so; seen: by the words of real replies; choice: it is ours
//	replace: yes                        in an operator's file: the standard rules and hosts of the group do not count
//
//	class: mailbox-full                 a rule; see queue.Class
//	code: 452 552 5xx 500-504           any of these
//	status: x.2.2 5.7.606-649 x.7.*     any of these enhanced codes; x is 4 or 5
//	text: over quota                    any of these words, anywhere in the reply; * is anything between words; in
//	text: " full * storage "            quotes, blanks at the ends count
//	example: 552 5.2.2 The mailbox ...  a real reply, which the rule has to be about
//	sample: 452 4.2.2 Mailbox full      the same, of nobody's: made of what the source says
//
// The group general is all receivers. A stanza with neither group nor class holds for the rules after it. Of code,
// status and text a rule has at least one; all that it has need to hold. Case makes no difference in words, and any
// blanks and line ends are one blank. What makes no sense is left out and told as a [Problem].
//
// # Cost
//
// One pass over a reply finds the rules of whose words four letters occur in it, however many rules there are; only
// those are compared. Nothing is allocated. Of a reply 2048 bytes are looked at.
package receivers
