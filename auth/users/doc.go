// Package users lets local Linux users log in with their passwords, those of them that are listed.
//
// A login goes like this:
//
//  1. The name has to match one of Options.Names, in which shell wildcards may stand. Without names nobody may log in.
//     Note that "*" means everybody who has a password, root as well.
//  2. The user is looked for in /etc/passwd, the password's hash and the dates in /etc/shadow (shadow(5)). Both are
//     read at each login: a few kilobytes, against the time that a hash takes. What passwd or useradd change counts at
//     once.
//  3. The password is checked against the hash (see package crypt). Users who do not exist, are not listed, or have no
//     hash have their password checked against that of somebody else, in vain, so that the time does not tell who
//     exists.
//  4. An account lets nobody in when its password is locked ("!" or "*") or missing, when the account has expired, or
//     when the password has, or must be changed first. So it is with PAM's pam_unix.
//
// The process has to be able to read /etc/shadow: it is root or in the group shadow. Where it cannot, or the file is
// not there, nothing can be found out.
//
// # PAM
//
// Built with the tag pam, which takes cgo and libpam0g-dev, the package asks PAM instead of reading files: also for
// users of other sources, and under the rules of /etc/pam.d/sluice, or /etc/pam.d/other when there is no such file. The
// list is in front of it even so.
package users
