package prometheus

import (
	client "github.com/prometheus/client_golang/prometheus"

	"github.com/sluicemail/sluice/monitor"
)

func desc(name, help string, labels ...string) *client.Desc {
	return client.NewDesc("sluice_"+name, help, labels, nil)
}

// What follows is never changed.
var (
	deliveryTime = desc("delivery_seconds", "How old messages were when a remote accepted them, from when they were received.")
	queueAge     = desc("queue_age_seconds", "How old messages were when an attempt on them began.")
	stageTime    = desc("attempt_stage_seconds",
		"Parts of attempts: connect, greeting and tls once for each connection, envelope (MAIL to the reply to DATA) and mail "+
			"(the mail and the reply to it) for each attempt.", "stage")
	attemptTime = desc("attempt_seconds", "Attempts over an open connection, by the first digit of their outcome's code.",
		"reply")
	intakeTime = desc("intake_seconds", "Time from the end of a mail that came in to where it was durable, checks included.")
	syncTime   = desc("queue_sync_seconds", "Time for which the queue on disk waited for a batch to be durable.")
	lookupTime = desc("dns_lookup_seconds", "Look-ups for which DNS servers were asked.", "outcome")
	checkTime  = desc("check_seconds", "Checks of mails that came in.", "check")

	byDomain = desc("domain_attempts_total",
		"Attempts by recipient domain and the first digit of their outcome's code; domains beyond metrics-domains are other.",
		"domain", "reply")
	bySource = desc("source_attempts_total",
		"Attempts by source address and the first digit of their outcome's code; addresses beyond metrics-sources are other.",
		"source", "reply")

	received   = desc("received_bytes_total", "Bytes of mail received, counted for each recipient.")
	sent       = desc("delivered_bytes_total", "Bytes of mail delivered.")
	queued     = desc("queue_messages", "Messages in a queue.", "queue", "state")
	classified = desc("failures_total",
		"Attempts that failed, and messages that ended without one, by the class of the result.",
		"class", "outcome")
	secured = desc("tls_attempts_total", "Attempts over the wire, by the policy that the recipient publishes about TLS, how it "+
		"was violated (RFC 8460), and the protocol; in clear text that is empty.", "policy", "mode", "failure", "protocol")
	queueUp = desc("queue_up", "Whether the queues could be asked: 1, or 0.")

	damagedPlaces = desc("queue_damaged_places_total",
		"Places at which the queue on disk was found damaged since the start.")
	damagedMessages = desc("queue_damaged_messages_total",
		"Messages that the queue on disk has lost by damage, as far as is known.")
	damagedMails = desc("queue_damaged_mails_total",
		"Mails that the queue on disk has lost by damage; their messages fail.")
	damagedBytes = desc("queue_damaged_bytes_total", "Bytes of the queue on disk that were found damaged.")

	hookUp      = desc("webhook_up", "Whether the web hook took what was posted last: 1, or 0.")
	hookWaiting = desc("webhook_waiting_results", "Results in the journal that the web hook has not taken yet.")
	hookDead    = desc("webhook_dead_letters", "Results that the web hook refused for good and that were not sent again.")
	hookResults = desc("webhook_results_total",
		"Results that the web hook took or refused for good, and that were lost as the journal was full.", "outcome")
	hookFailed = desc("webhook_failed_requests_total",
		"Requests that the web hook did not take and that are tried again.")
	hookSeconds = desc("webhook_request_seconds", "Requests to the web hook, and how long they took.")

	traced = desc("trace_spans_total", "Spans that the collector of traces took, and that were lost.", "outcome")

	build = desc("build_info", "The version that runs.", "version")
)

var counters = []struct {
	kind monitor.Kind
	desc *client.Desc
}{
	{monitor.ClientConnected, desc("clients_total", "Connections that came in.")},
	{monitor.ClientRefused, desc("clients_refused_total", "Connections refused at the greeting.")},
	{monitor.CommandRefused, desc("commands_refused_total", "Commands of clients that were refused.")},
	{monitor.MessageReceived, desc("received_total", "Messages received, one for each recipient.")},
	{monitor.Picked, desc("processed_total", "Messages read from the outbox.")},
	{monitor.Parked, desc("parked_total", "Messages set aside again.")},
	{monitor.Reassigned, desc("reassigned_total", "Messages that took another source address than planned.")},
	{monitor.NotTried, desc("not_tried_total", "Messages finished without an attempt.")},
	{monitor.Attempted, desc("attempts_total", "Attempts over the wire.")},
	{monitor.Delivered, desc("delivered_total", "Messages delivered.")},
	{monitor.Retried, desc("retried_total", "Attempts that failed for now.")},
	{monitor.Failed, desc("errors_total", "Messages that failed for good.")},
	{monitor.Strange, desc("strange_total", "Replies that make no sense.")},
	{monitor.ConnStarting, desc("connects_total", "Outgoing connections begun.")},
	{monitor.ConnFailed, desc("connects_failed_total", "Outgoing connections that could not be made.")},
	{monitor.Reported, desc("reported_total", "Reports about mail that was sent, such as bounces.")},
}

var gauges = []struct {
	desc     *client.Desc
	up, down []monitor.Kind
}{
	{desc("clients", "Clients connected."), []monitor.Kind{monitor.ClientConnected},
		[]monitor.Kind{monitor.ClientDisconnected}},
	{desc("messages_in_memory", "Messages taken from the outbox."), []monitor.Kind{monitor.Picked},
		[]monitor.Kind{monitor.Parked, monitor.Left}},
	{desc("connections_starting", "Outgoing connections not yet established."), []monitor.Kind{monitor.ConnStarting},
		[]monitor.Kind{monitor.ConnReady, monitor.ConnFailed}},
	{desc("connections_active", "Outgoing connections at work."), []monitor.Kind{monitor.ConnReady, monitor.ConnBusy},
		[]monitor.Kind{monitor.ConnIdle, monitor.ConnClosed}},
	{desc("connections_idle", "Outgoing connections without work."), []monitor.Kind{monitor.ConnIdle},
		[]monitor.Kind{monitor.ConnBusy}},
}
