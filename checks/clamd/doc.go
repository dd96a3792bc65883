// Package clamd asks ClamAV's daemon whether a mail carries a virus.
//
// [Checker.Check] connects over TCP or a unix socket, sends "INSTREAM" and the mail in pieces, straight from where it
// lies, and reads one line. Connections are bounded and each exchange has a time limit. Whether mail that could not be
// scanned is taken (fail open) or not (fail closed) is for the caller to say: its verdict is TempError when trying
// again may help, PermError when clamd will never take it.
//
// [Checker.Probe] asks for the versions of the engine and its signatures, and [Checker.State] says whether clamd works.
package clamd
