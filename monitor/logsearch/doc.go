// Package logsearch finds what happened to mails in the machine-readable logs that package logfile writes, and shows
// what happens to them now.
//
// [Files.Search] goes through the logs from their newest line backwards, so that what was asked for last is there
// first. It reads the file that is being written and files that were moved away beside it (name.1, name-20260131,
// name.2.gz), newest first. A file that begins after the time asked for, or ends before it, is passed over; in others
// the place is found by halving. A line is decoded only when it contains what was asked for.
//
// One call reads a bounded amount and tells where it stopped, so that a caller can show what was found and go on.
// Memory is bounded by the number of entries asked for.
//
// [Tail] is a monitor.Monitor that hands the lines to watchers while they are being made. It needs no file, and costs
// one atomic load for each event while nobody watches.
package logsearch
