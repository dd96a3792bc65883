// Package file lets in who stands in a file of names and hashed passwords, such as /etc/passwd and /etc/shadow are:
//
//	# who may send
//	alice:$6$rounds=20000$vUpJbu1qWubPSjvU$7gQE3HNbPtta…
//	bob:$y$j9T$CR5TWxyWsX7DGdP1iW0dJ/$8KWpNAyk…
//	carol:!
//
// A line is a name, a colon, and a hash made with `mkpasswd -m sha-512` or `openssl passwd -6`; package auth/crypt
// tells which kinds there are. Fields after a second colon are left alone, as are blank lines, lines that begin with #,
// and spaces at either end of a line. A hash that begins with ! or * locks the account. Of two lines with the same name
// the first counts.
//
// A line that is broken is logged with its number, and costs nobody but its own user the login.
//
// The file is read again when it has changed, which each login looks for. So that no half-written file is believed:
//
//  1. A file whose time of modification is less than 200 ms ago is left to rest, and the login waits for that. One that
//     is empty or does not end with a line break, as while `generate >users.txt` runs, is left to rest for two seconds.
//  2. It is read, and believed if size, time and identity are the same before and after.
//  3. While it is missing, or if it does not come to rest within three seconds, the login is answered with "cannot
//     tell".
//
// To be safe however slow the writer is, write another file and rename it.
//
// A user that is not in the file costs the same time as one that is: the password is checked against the hash of
// somebody else, always the same one for the same name, and the answer thrown away. So names cannot be found by timing,
// even when the hashes are of several kinds.
package file
