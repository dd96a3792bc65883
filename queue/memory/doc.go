// Package memory keeps queues in memory: for tests, demonstrations, and services that may forget their mail when they
// end. It has all powers of the contract in package queue: it is atomic, can be inspected, and parks.
//
// Publish turns each message into its compact record (queue.AppendBinary) and keeps that with the body, so that neither
// side can change what waits. Bodies of type queue.Bytes are kept as they are, any other is copied, once for all
// recipients that share it. A message is in one of four states:
//
//   - ready: it waits in its queue, in the class of its priority, in the lane of its recipient domain. The highest
//     class goes first; within a class the lanes take turns, one message each; a lane is first in, first out. What was
//     released or unparked goes ahead of all lanes of its class.
//   - delayed: it waits for its NextAttempt and joins the end of its lane then.
//   - parked: it is set aside under a key until Unpark, or until queue.MaxParked is over.
//   - out: a consumer has it.
//
// One timer, set to the earliest of all delayed and parked messages, serves the whole Queue; there are no goroutines.
// Time is that of package time, so a Queue made within a bubble of testing/synctest follows the bubble's clock.
package memory
