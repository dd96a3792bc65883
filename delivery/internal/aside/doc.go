// Package aside remembers what is parked in the queue, under which key and because of what, and has it come back: a
// [Registry] with one lock, and one goroutine (Run) that asks the queue. It knows the queue only.
//
// There are two reasons for a message to be parked.
//
//   - There is no room for it in memory: the list of its path is full, its route is being looked up while many wait for
//     theirs, memory is short, or it waited for long. The owner of such a list has a [Shelf] with the keys of its
//     messages (Put), and orders some when there is room again (Order).
//   - It is held: by a pause, or because no instance is known to have its addresses. Hold notes the key, and a few of
//     the messages with their [Reason] as samples. When rules changed (Recheck) or a pause ends by itself, all samples
//     are asked whether they are still held (review); once one is not, all messages with its key are fetched, piece by
//     piece as there is room (release), and messages that are held still are parked once more. Free does so without
//     asking.
//
// A key may be on shelves and held at once. While all messages with a key are held, no shelf notes it or orders it. A
// shelf whose owner gets the first messages of a key that is being fetched takes the rest over (Arrived): it knows how
// much room there is.
//
// Whatever is forgotten here for want of room comes back by itself after queue.MaxParked.
package aside
