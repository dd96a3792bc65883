// Package admin is all that can be seen and done on a running mail server, as plain Go calls: the REST API (package
// api) and the pages of the console stand on it, and so may anybody's own program.
//
// # Settings
//
// Every table of the settings database is described by a [Table]: its fields, what each may hold, which are required.
// Rows travel as maps of column names to int64, bool and string ([Values]). A change goes through four steps, all in
// one transaction:
//
//  1. Types: numbers and booleans may come as texts. Unknown columns and values that cannot be are an [Invalid] error,
//     which names each field with what was given and what is expected.
//  2. References: a pool, a throttle or a rule that is named must exist.
//  3. Sense: the row is compiled as the server does at its next load, so that nothing is stored that would be left out.
//  4. Edits: a caller who says which version of the row he has seen is told by [Conflict] that another was faster.
//
// Then the row is written, the settings are loaded, and they are in force when the call returns. Who did what is
// logged: say who it is with [As].
//
// What MailerQ's REST API knows under names of its own (pauses, forced errors, pools, suppressions, external MTAs) has
// calls of its own, [Admin.WalkResource], [Admin.PutResource] and [Admin.DeleteResource], which find the row to change
// by what it selects, not by its id.
//
// # Mail
//
// [Admin.Queues], [Admin.Messages], [Admin.Message], [Admin.Act] look at what waits and move it about, where the queue
// can ([queue.Inspector]); each action can be asked first how many messages it would concern. [Admin.Inject] puts
// messages into the inbox: all of a call, or none.
//
// # Figures and reasons
//
// [Admin.Stats] tells the last minute; [Admin.Explain] which limits hold for a domain and where each comes from;
// [Admin.Why] why a message is still here. What package delivery and package throttle know reaches this package as
// functions, with the plain types declared here.
package admin
