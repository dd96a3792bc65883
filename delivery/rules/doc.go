// Package rules holds what an operator decides about deliveries, compiled for look-ups that cost next to nothing. Each type
// is filled once, from a snapshot of the settings, and read by everybody from then on without locks.
//
// [Suppressions] is the list of addresses and domains that get no mail.
package rules
