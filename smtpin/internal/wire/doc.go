// Package wire is what an SMTP server says and hears, without the meaning: lines, mails and replies over one
// connection.
//
// Conn reads with large reads: one system call takes a whole pipelined flight. ReadLine hands out command lines
// straight from the buffer; DotReader and ChunkReader hand out the mail of a DATA or of BDAT commands, also straight
// from the buffer when asked through WriteTo. Replies collect in memory until the next read would block, so that a
// flight of commands is answered by one write (RFC 2920 §3.2). Every read and write has a deadline; setting one costs
// something, so it is moved only when it would move by a second or more.
//
// Only CRLF ends a line, and only CRLF "." CRLF ends a DATA. What other servers may take for a line end, a CR or LF
// alone, is by LineEnds either refused or made a CRLF inside the mail: it never ends one. After a failed read inside a
// mail nothing more can be read: the rest of a body is never taken for commands.
package wire
