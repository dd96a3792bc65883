// Package checks finds out what a mail is worth: whether its sender may send it, whether it was signed, whether it is
// spam, whether it carries a virus, whether its client is on a block list.
//
// A [Checker] answers one of these questions; each lives in a package of its own below this one and can be used alone.
// A [Runner] asks several of them about one mail:
//
//  1. When a client connects, [Runner.CheckConnect] asks checks that are a [ConnectChecker]. The session keeps their
//     results and puts them into Earlier of each of its mails.
//  2. When a mail is there, [Runner.Check] starts all others at once, each with a context that ends after Timeout. One
//     that is a [Later] starts when the checks that it names are done, and finds their results in Mail.Earlier.
//  3. One that fails, panics or overruns its time yields a result of [TempError], and the others are not disturbed. One
//     that does not even listen to its context is left behind: what it still reads of the body is an error, and while
//     too many of its kind are left behind it is not asked again.
//  4. The results come in the order of the checkers, behind those of the connection.
//
// Nothing here acts on a verdict: whether to refuse a mail is for the caller to say.
//
// The DNS look-ups of one mail share a budget, which a [Bounded] resolver keeps to: a mail with a thousand signatures,
// or with a sender whose records refer to each other without end, costs a limited number of questions. A [Service] is a
// scanner on the other end of a connection: so many at a time, each with a time limit, and with a [State] that a
// console can show. [Watch] keeps that true, and with [PerClient] clients take turns. [Object] writes the JSON of a
// result.
package checks
