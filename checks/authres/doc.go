// Package authres writes and reads Authentication-Results (RFC 8601): the field in which a mail server says what its
// checks found, for those behind it.
//
// A server that adds such a field ([Header.Append]) must first take out fields that a sender has put there in its name
// ([Remove]): a program that reads the field trusts it for the name at its beginning, the authserv-id, and nothing
// else.
//
// [Parse] reads what others have written, comments, quoted strings, folds and versions included, and overlooks what is
// common though not allowed: a semicolon at the end, and properties without a type such as action=none. It reads
// ARC-Authentication-Results (RFC 8617 §4.1.1) as well, which begin with the number of a set; [Recorded] makes results
// for one of what a message keeps of its checks.
package authres
