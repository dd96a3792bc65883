// Package doctor examines an installation: what the DNS says of its addresses and domains, whether its ports, keys and
// certificates do what they are for, and whether the machine below bears the load.
//
// [Examine] runs all [Checks], side by side and each within its time, on a [Machine]: plain values that say what there
// is, with the outside world as fields. What it finds is a [Finding] with what is wrong, where, and what to do. That a
// question had no answer is a finding of its own, and blames nobody. Nothing is changed and no mail is sent; one file
// is written to the queue's directory and removed, to see how fast the disk is.
//
// A check is a function of one file, named as the check is; checks.go has the table of them.
package doctor
