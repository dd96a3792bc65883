// Package disk is a durable queue in a directory: a segmented log that concurrent publishers write together, and an
// index of every waiting message in memory.
//
//	q, err := disk.Open("/var/lib/mtad/queue", disk.Options{})
//
// It needs a local file system whose fdatasync can be trusted, and belongs to one process at a time: a second Open
// fails with queue.ErrLocked and names the holder. Nothing else may write below the directory while it is open. The
// directory may be copied or moved while it is closed.
//
// # The life of a message
//
//  1. Publish encodes messages and mails into a group, on the caller's goroutine, checksums included. Items with the
//     same Body value share one body record. A mail of Options.FileSize or more gets a file of its own: the file that
//     already holds it is adopted by a hard link, or a copy is written; the file and its name are synced before the
//     group goes on. The group joins the list of what is pending.
//  2. The committer, one goroutine, takes everything pending that fits (a batch), seals the record headers, and writes
//     all of it with one system call, mails straight from where they lie. Then it syncs. While it does, others gather.
//  3. When fdatasync returns, the message counts as queued: this is the very instant. The committer enters the batch in
//     the index and wakes the publishers. Publish returns nil.
//  4. Consume takes ready messages from the index: by priority, and within one first what was unparked, then from
//     each recipient domain in turn, so that a million messages to a dead domain delay nobody else's. What was
//     published a moment ago is still in memory; the rest is read with pread.
//  5. Settle puts the removal of the message and its successors (one group) in the order of the log and returns. It
//     becomes durable with the next batch, at most Options.SettleDelay later when nobody publishes.
//  6. Once that batch is synced, the bytes of the message, and of its mail if no other message uses it, count as dead.
//     A file of its own is deleted.
//
// # States
//
//	state      where it is known         handed out        after a crash
//	pending    memory                    no                gone, or there as a whole: Publish had not returned
//	ready      log, index                to a consumer     ready
//	delayed    log, index (heap)         when it is due*   delayed
//	parked     log, index                when unparked     ready
//	out        log, index                it is             ready, with Redelivered
//	settled    memory, then log          no                ready, unless its batch was synced: handed out twice at most
//	dead       log, until space is used  no                gone
//
// * At the millisecond when nothing was due before; messages due one by one come out together, twice a second.
//
// # What a crash leaves
//
// A crash is the end of the process (kill -9) or of the power; the store is always opened the same way.
//
//   - Before or during the write of a batch: a torn batch at the end of the log. Of its groups the complete ones
//     count, the others are covered by void records. Nobody was told that they are stored.
//   - After the sync, before Publish returns: the messages are there. The caller may publish them again: a duplicate.
//   - After Settle returned, before the sync: the message is there, its successors are not. The last SettleDelay's
//     worth may be delivered twice. Never is one lost together with its successors, and never are both there.
//   - Between the link of a large mail and its record: a file that no record names. Open deletes it.
//   - While a segment is given back: its records stay superseded, for that was synced before its header was.
//   - While the index is saved: the new file has another name until it is synced; the old one is used.
//
// Close writes what is pending and saves the index. Abort does neither, as a crash would.
//
// # Guarantees
//
// What Publish confirmed is handed out until it is settled, whatever crash comes between. One Publish or Settle stores
// all or nothing. After a failed sync nothing is believed any more: everything returns queue.ErrUnavailable until the
// store is opened again. When space runs out, Publish returns queue.ErrFull; what is queued stays deliverable and
// settleable, for which a segment is kept in reserve, and intake resumes by itself as segments come free.
//
// # Files
//
//	lock             locked while open; the process id of the holder
//	segments/000001  the log, in files of Options.SegmentSize that are used again under a new number (segment.go)
//	mails/1f…        large mails, named by a random number
//	checkpoint       the index as of a position in the log (checkpoint.go)
//	mark             how far the log was durable (mark.go)
//	damaged/         what could not be read
//
// A segment's first page holds its number, never used twice, and a random salt. They seed the checksum of every record
// header (record.go), which also covers the checksum of the payload, the offset and the batch, so that nothing that a
// file held earlier can pass for a record. A record names the batch that it was written with. A batch is begun when the
// one before is durable, so the mere existence of a record proves that every earlier batch was complete: bytes that
// cannot be read are damage when any later batch is found, or when the mark is behind them, and the end of a torn write
// otherwise.
//
// Opening reads the checkpoint and the log from the segment on in which it ends; without a good checkpoint the whole
// log, which gives the same. A dead segment is given back once the settlements in it that concern other segments are
// written again. One that is mostly dead is rewritten: what is left of it is copied to the end of the log, at most one
// segment a second.
//
// # Damage
//
// What is missing or cannot be read is an error in the log with its place, its bytes and, where the checkpoint knows
// it, the number of messages and mails that were there. It is told once, and the store goes on with what is intact:
//
//	damage                                     how it is noticed
//	zeros, noise, flipped bits in the log      checksums, and the mark at its end; before the segment of the checkpoint
//	                                           when the message is handed out
//	a segment cut off                          its header says how long it was made
//	a segment removed, emptied, its header     its number is missing: the checkpoint names those in use, and later ones are
//	gone                                       numbered without gaps, but for those given back
//	no segments at all                         a lock, mark, checkpoint or mail says that there was a queue
//
// What cannot be told: a segment that is missing together with the checkpoint, when one was ever saved; what was in a
// lost segment that the checkpoint does not know; and after a power cut, the loss of the last batches together with the
// mark, which is not synced. Segments of versions before the mark do not say their size. A store whose directory is
// empty is a new one.
//
// A bit that flips costs what it belonged to. A damaged mail makes each delivery that shares it a queue.DamageError,
// with its message: when Open or the first hand-out finds it, in Delivery.Err; when reading finds it later, from
// ReadAt, and in Err when the message is handed out again. A damaged message record is lost and counted. A damaged
// header makes the scan look for the next one at every eighth byte. Damaged bytes are copied to damaged/, so that a
// person can look for mail in them, and reported by [Queue.Damage] and the log. A damaged settlement may bring messages
// back.
package disk
