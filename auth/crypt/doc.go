// Package crypt checks passwords against hashes of crypt(3), as they stand in /etc/shadow, in htpasswd-like files, or
// in the column of a table. They are made with `mkpasswd -m sha-512` or `openssl passwd -6`.
//
// Checking a password goes like this:
//
//  1. [Supported] reads the hash strictly: its kind, the cost it asks for, the lengths of salt and key. What would
//     match nothing, match too much, or cost minutes is refused here, so that a program can say so when it starts.
//  2. A password longer than [MaxPassword] or with a NUL in it does not match, whatever the hash: crypt(3) takes
//     neither.
//  3. [Verifier.Verify] waits for one of a few slots, since each computation keeps a processor and up to some hundred
//     megabytes of memory busy; a thousand logins at once wait in line instead of bringing the machine down.
//  4. The key is derived and compared in constant time.
//
// The kinds are:
//
//	$6$         SHA-512, $5$ SHA-256, with rounds=1000 to 10000000
//	$y$         yescrypt, the default of Debian
//	$2a$ $2b$ $2y$  bcrypt, cost 4 to 16
//	$1$         MD5, old and weak, but still about
//	$argon2id$  Argon2id version 19 (RFC 9106)
//
// Plain text and DES are refused, and so is $2x$, which marks hashes of a bcrypt that was broken.
package crypt
