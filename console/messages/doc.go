// Package messages has the pages of what waits: queues, the messages in them, one message with all that happened to it,
// and a form that injects a test message. Messages.Pages returns them for a frame.
//
// What the queues hold is asked for every so often in the background, for all browsers together: [Messages.Queues].
//
// # Files
//
// From top to bottom; a file uses what stands below it.
//
//   - pages.go: which pages there are
//   - inject.go, preview.go: a test message, and how it looks before it is injected
//   - message.go, history.go, rule.go: one message, what happened to it, and the rule that holds it
//   - messages.go: lists of messages, and what can be done to them
//   - export.go: both as comma separated values
//   - queues.go, waiting.go, depth.go: the queues, what they hold, and how that changes
//   - files.go: Messages and its fields
package messages
