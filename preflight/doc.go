// Package preflight tells, before a mail leaves, what the large mailbox providers publish that they refuse it for.
//
//  1. [Look] reads the mail alone: its form, its signatures as they are written, whose domains they name, and how
//     recipients unsubscribe. It asks nobody and takes some ten microseconds, so that a share of live mail can be
//     looked at.
//  2. [Checker.Check] does that, and then asks the DNS as a receiver would: whether SPF, the signatures and DMARC pass,
//     whether the domains can be answered to, and what the sending address is called.
//  3. [Sampler] looks at a share of the mail that is leaving, beside its way, and [Tally] counts what was found by tag.
//
// Every [Finding] comes from one of [Rules], which says how bad it is, who asks for it and where that is published, and
// what to do. The rules are those of senders of more than 5,000 mails a day; whether a mail is one that people have
// subscribed to nobody can see, so one-click unsubscribe is asked of every mail that is not said to be transactional.
package preflight
