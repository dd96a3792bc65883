// Package spamd asks SpamAssassin's daemon whether a mail is spam, over the protocol of spamc.
//
// [Checker.Check] connects, sends "SYMBOLS" with the mail straight from where it lies, and reads one line with the
// verdict and one with the names of the rules that matched. Connections are bounded, each exchange has a time limit,
// and mails larger than MaxSize are not sent: rules take long for large mails, and spam is small. Nothing is stored of
// the mail but, in spamd, what its own configuration says.
//
// [Checker.Learn] teaches spamd's Bayes filter (it must run with --allow-tell), [Checker.Probe] asks for the version,
// and [Checker.State] says whether spamd works.
package spamd
