// Package traces follows some messages from intake to result and tells an OpenTelemetry collector of them, over
// OTLP/HTTP. It alone depends on OpenTelemetry: others know it as a monitor.Tracer and a monitor.Monitor.
//
//  1. Begin is asked about each mail that comes in. A mail whose sender follows it already (a W3C trace context, in HTTP's
//     traceparent or x-mq-traceparent) is followed too, another by the ratio of Options. What it returns becomes the
//     property "traceparent" of each of its messages, and travels with them: through queues, retries and restarts.
//  2. Received makes the span "receive" once the mail is stored, under the id that Begin gave away, with its stages.
//  3. Observe makes of the end of an attempt the spans "queue", which is the wait before it, and "attempt" with its stages;
//     and of the end of a message "result". They are children of "receive", whoever made that, and when.
//  4. Spans wait for their export in a queue that is bounded. What does not fit, and what the collector does not take, is
//     lost and counted; nobody waits for it.
//
// Times are those of events: nothing is held in memory for a message that is followed.
package traces
