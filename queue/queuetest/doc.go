// Package queuetest examines engines of package queue. An engine's own tests call Run with a function that makes an
// empty engine; every case checks one rule of the contract and, when it fails, says which rule was broken.
//
// The examiner demands what the documentation of package queue promises and no more. Powers that are optional are
// examined when the engine has them: it is asked for [queue.Inspector], [queue.Parker] and [queue.Atomic] by type
// assertion, and for durability when [Options.Reopen] is set.
//
// Cases run in parallel, each with an engine of its own, on real time: the longest takes about three seconds.
package queuetest
