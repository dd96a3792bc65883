// Package locks has mutexes that know their place in the order in which an engine takes them. Built with the tag
// lockorder, as tests are by "make race", they panic when a goroutine takes one out of its order; otherwise they are
// mutexes of package sync and nothing else.
//
// A goroutine that has a lock takes only locks of a later line, and of each line one at a time. None is held while the
// queue, a remote, the DNS or a store is waited for.
//
//	1  Paths      the paths that there are
//	2  Path       one path, or the messages that wait for their routes
//	3  Aside      what is parked, and why; or the paths that wait for a slot
//	4  Leaf       what leaves memory; what is known of remotes and of source addresses
package locks

// Place is a line of the table.
type Place interface{ line() int }

// The lines of the table.
type (
	Paths struct{}
	Path  struct{}
	Aside struct{}
	Leaf  struct{}
)

func (Paths) line() int { return 1 }
func (Path) line() int  { return 2 }
func (Aside) line() int { return 3 }
func (Leaf) line() int  { return 4 }
