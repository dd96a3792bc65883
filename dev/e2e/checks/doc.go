// Package checks tests what mtad finds out about the mail that it takes in: with the real SpamAssassin and ClamAV, with
// zones in a real name server, and with mails that other programs have signed.
package checks
