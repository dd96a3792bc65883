// Package spool takes mail in that lies in a directory: whatever program puts a file there has sent a mail. It is also
// how mail of the command line reaches the server, which need not be running then.
//
//  1. A file is found ([Spool.Run]) as the kernel tells that it was moved in or closed by its writer, or by a look at
//     the directory every now and then, which finds what came while nobody watched. A file that was told of is picked
//     up once it is [Spool.Delay] old; one that was only found must have been left alone for two seconds. Names that
//     begin with a dot are somebody's work in progress, and directories are left alone.
//  2. It is opened ([Spool.take]) without following links, locked against another server that watches the directory,
//     and left for later when somebody has it open for writing. At most [Spool.OpenFiles] are open, [Spool.Threads] of
//     them being read.
//  3. The envelope is that of a line of JSON in front of the mail ([Envelope]), or in the header: x-mq-envelope, else
//     the first address in Return-Path, From and Sender; To, Cc and Bcc ([Recipients]). See MailerQ 5.13,
//     spool-directory.
//  4. enqueue.Backend.Take makes the messages, as of a mail over SMTP. A file that changed while it was read is left
//     for later. The messages are published by a [once.Book] under a key of the file.
//  5. The file is removed. When that is durable, the book forgets the key.
//
// A file that can never be a mail is moved to [Spool.FailDir], and a file of its name and ".reason" says why. Without
// such a directory it stays, and is looked at again when it changes. A queue that takes nothing for now leaves the
// files where they are.
//
// # What a crash leaves
//
// A crash is the end of the process at any instant; for that of the machine the same holds.
//
//   - Before the messages are durable: the file is there, and is taken at the next start.
//   - Then, before the file is gone: the file is there, and the book knows its key: inode, size, time of the last write
//     and of the last change, name. It is removed and not queued again. This is exact where the queue stores messages
//     and keys in one step, as the embedded one does. With a broker the key is noted a moment after the messages: a
//     crash between the two queues them again, with the same ids.
//   - While the file is removed: first it gets a name with its inode, so that another file which came under its name
//     meanwhile is not what is removed; the next start removes it or gives it its name back.
//   - While a file is moved to the fail directory: a reason without its file, at worst.
//
// What files cannot tell: a writer that dies half way leaves what looks like a complete file, so programs should write
// under another name and rename, as [Drop] does. Two servers can share a directory, but do not know each other's keys.
// With [Spool.Keep] files stay, and are not queued again as long as they do not change.
package spool
