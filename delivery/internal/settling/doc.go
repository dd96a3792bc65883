// Package settling takes messages out of memory: a [Settler] has each replaced by its successors (Finish, Retry,
// Settle), given back (Release) or parked (Park), in one step of the queue. It knows the queue only. What the queue
// cannot do now is tried again until it can; what it will never do is changed so that it can (amend).
package settling
