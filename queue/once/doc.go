// Package once keeps what is handed in twice from being queued twice: a file that was still there after a crash, a
// request that a client repeats because it never heard the answer.
//
// Whoever hands something in gives it a key that is the same each time. [Book.Publish] puts a mark with that key into a
// queue of marks, together with the messages, and publishes nothing when there is one already:
//
//  1. The mark is a message without recipient and mail: its id is the key, its tag says what was handed in ([Book]
//     tells another thing under the same key apart).
//  2. Where the queue of the messages stores all of a Publish or nothing (queue.Atomic), the mark goes with them. So
//     after a crash at any instant there are both or neither.
//  3. Other queues, those of a broker, get the messages first, and a second queue on this machine the mark then. A
//     crash between the two leaves no mark, and what is handed in again is queued again, never lost. Messages that have
//     ids of their keys can be told apart behind the broker.
//  4. Open reads the marks that there are. A consumer holds all of them, so that each can be settled when it is over:
//     after [Options.MaxAge], when there are more than [Options.Most], or when [Book.Forget] says so.
package once
