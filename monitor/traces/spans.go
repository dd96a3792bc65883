package traces

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

// Observe implements monitor.Monitor: attempts and results of messages that are followed become spans.
func (t *Traces) Observe(e *monitor.Event) {
	switch e.Kind {
	case monitor.Delivered, monitor.Retried, monitor.Failed, monitor.NotTried:
	default:
		return
	}
	m, _ := e.Message.(*queue.Message)
	if m == nil {
		return
	}
	from := parse(m.TraceParent())
	if !from.IsSampled() {
		return
	}
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), from)
	if e.Kind != monitor.NotTried {
		t.attempted(ctx, e, m)
	}
	if e.Kind != monitor.Retried {
		t.ended(ctx, e, m)
	}
}

// Tap implements monitor.Monitor: sessions are of no interest here.
func (t *Traces) Tap(monitor.Session) monitor.Transcript { return monitor.NoTranscript() }

// attempted makes the spans of an attempt and of the wait before it.
func (t *Traces) attempted(ctx context.Context, e *monitor.Event, m *queue.Message) {
	s := &e.Stages
	begun := e.Time.Add(-s.Connect - s.Greeting - s.TLS - s.Attempt())
	if since := waitedSince(e, m); !since.IsZero() {
		t.part(ctx, stage{"queue", begun.Sub(since)}, since)
	}
	ctx, attempt := t.tracer.Start(ctx, "attempt", trace.WithTimestamp(begun), trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(about(e, m)...))
	at := begun
	for _, part := range []stage{{"connect", s.Connect}, {"greeting", s.Greeting}, {"tls", s.TLS},
		{"envelope", s.Envelope}, {"mail", s.Mail}} {
		at = t.part(ctx, part, at)
	}
	if e.Kind != monitor.Delivered {
		attempt.SetStatus(codes.Error, e.Class)
	}
	attempt.End(trace.WithTimestamp(e.Time))
}

// waitedSince is since when a message waited for an attempt: it was received, or the attempt before ended.
func waitedSince(e *monitor.Event, m *queue.Message) time.Time {
	if n := len(m.Results); n > 1 && m.Results[n-2].Time.After(e.Since) {
		return m.Results[n-2].Time
	}
	return e.Since
}

// ended makes the span of a message's end.
func (t *Traces) ended(ctx context.Context, e *monitor.Event, m *queue.Message) {
	_, result := t.tracer.Start(ctx, "result", trace.WithTimestamp(e.Time), trace.WithAttributes(about(e, m)...))
	if e.Kind != monitor.Delivered {
		result.SetStatus(codes.Error, e.Class)
	}
	result.End(trace.WithTimestamp(e.Time))
}

// about is what spans say of a message and its last result. Addresses of people are not among it.
func about(e *monitor.Event, m *queue.Message) []attribute.KeyValue {
	all := []attribute.KeyValue{
		attribute.String("mail.message_id", m.ID),
		attribute.String("mail.recipient_domain", e.Domain),
		attribute.Int("mail.attempt", m.Attempts()),
		attribute.Int("mail.reply_code", e.Code),
	}
	if e.Class != "" {
		all = append(all, attribute.String("mail.class", e.Class))
	}
	if e.MTA.IsValid() {
		all = append(all, attribute.String("mail.source", e.MTA.String()))
	}
	if e.Remote.IsValid() {
		all = append(all, attribute.String("server.address", e.Remote.Addr().String()),
			attribute.Int("server.port", int(e.Remote.Port())))
	}
	if e.TLS.Protocol != "" {
		all = append(all, attribute.String("tls.protocol.version", e.TLS.Protocol))
	}
	return all
}
