// Package logfile writes what happened to log files: attempts to send, mail received, downloads, and accesses to the
// console. Each can go to a text file whose lines are made by a template, to a machine-readable file with one JSON
// object a line, or both; the same file may be named more than once and then takes all of these lines.
//
// # How a line gets to disk
//
//  1. Observe, in the goroutine that delivers or receives mail, makes the line and copies it into the buffer of
//     its file. That takes no system call and never waits. When the buffer is full, the line is dropped and counted.
//  2. A goroutine of each file takes the whole buffer about ten times a second, or sooner when much has gathered, and
//     writes it with one call. A slow or full disk, or a pipe that nobody reads, delays only this goroutine: it keeps
//     what it could not write and tries again each second, while the buffer fills up.
//  3. Before each write, and each second, it looks whether the file is still the one at its path. One that was moved or
//     removed, as logrotate does, is opened anew, and created with mode 0640 when there is none. Reopen does the same
//     at once. A line is written to the old file or to the new one, never to both halves.
//  4. Close writes what is left, for up to five seconds.
//
// # Templates
//
// A template is text in which {$name} stands for a value, and {if $name}…{else}…{/if} chooses; {else} may be left out,
// and choices may be nested. Names with dots reach into a message or a result, and a dash in them is written as an
// underscore: {$email.connection.remote_ip}. A value that is unknown or absent prints nothing, and counts as false, as
// do the texts "0" and "false" and the empty array. Arrays print as [ "a", "b" ]. A brace that is followed by a blank
// or by the end is itself; elsewhere {ldelim} and {rdelim} stand for braces. Anything else between braces is an error,
// when the log is opened.
//
// Control characters in values are written as \n, \r, \t or \x1b, so that each event is one line.
//
//	log       names
//	send      $email (the message), $result (of this attempt), $attempt (its number), $date
//	received  $json (the message), $report (what it reports on, if it does), $date, $time (seconds since 1970)
//	download  $url, $time (seconds it took), $date
//	www       $date, $ip, $request
//
// Dates are UTC, YYYY-MM-DD HH:MM:SS. A message or result without a further name prints as its JSON object. What a
// message's mail says is under $email.extracted, as in results: {$email.extracted.subject},
// {$email.extracted.headers.x_campaign}.
//
// An object of the machine-readable send log is the message as it goes to the result queues, without the mail and
// secrets, and final: whether it is done with, or will be tried again.
package logfile
