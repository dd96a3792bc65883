package traces

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/sluicemail/sluice/monitor"
)

// Options say where spans go and of which mails.
type Options struct {
	// URL of the collector, such as http://127.0.0.1:4318/v1/traces.
	URL string
	// Ratio is which part of the mails is followed that nobody follows yet: 0 to 1.
	Ratio float64
	// Service, Instance and Version name the program and this one of it; "": not told.
	Service, Instance, Version string
	// Waiting is how many spans may wait for their export. Zero: 8192.
	Waiting int
	// Logger hears when the collector does not take spans, once for an outage. Nil: slog.Default.
	Logger *slog.Logger
}

// Traces is a monitor.Tracer and a monitor.Monitor. Its methods are safe for concurrent use.
type Traces struct {
	ratio    float64
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	out      *outlet
}

var (
	_ monitor.Tracer  = (*Traces)(nil)
	_ monitor.Monitor = (*Traces)(nil)
)

// Open begins to follow messages. It does not look for the collector. What OTEL_EXPORTER_OTLP_HEADERS and its like say
// is added to requests.
func Open(o Options) (*Traces, error) {
	exporter, err := otlptracehttp.New(context.Background(), otlptracehttp.WithEndpointURL(o.URL),
		otlptracehttp.WithTimeout(exportTime), otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}))
	if err != nil {
		return nil, fmt.Errorf("OTLP: %w", err)
	}
	t := &Traces{ratio: o.Ratio, out: newOutlet(exporter, cmp.Or(o.Waiting, 8192), cmp.Or(o.Logger, slog.Default()))}
	var about []attribute.KeyValue
	for key, value := range map[string]string{"service.name": o.Service, "service.instance.id": o.Instance,
		"service.version": o.Version} {
		if value != "" {
			about = append(about, attribute.String(key, value))
		}
	}
	t.provider = sdk.NewTracerProvider(sdk.WithSampler(sdk.AlwaysSample()), sdk.WithIDGenerator(given{}),
		sdk.WithResource(resource.NewSchemaless(about...)), sdk.WithSpanProcessor(t.out))
	t.tracer = t.provider.Tracer("github.com/sluicemail/sluice")
	return t, nil
}

// Close exports what waits, within a few seconds.
func (t *Traces) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // what was not exported is lost
	return nil
}

// Spans returns how many spans the collector took, and how many were lost.
func (t *Traces) Spans() (exported, lost uint64) { return t.out.exported.Load(), t.out.lost.Load() }

// Begin implements monitor.Tracer.
func (t *Traces) Begin(parent string) string {
	from := parse(parent)
	switch {
	case from.IsValid() && !from.IsSampled():
		return ""
	case !from.IsValid() && rand.Float64() >= t.ratio:
		return ""
	}
	id := from.TraceID()
	if !from.IsValid() {
		id = newTraceID()
	}
	return "00-" + id.String() + "-" + newSpanID().String() + "-01"
}

// Received implements monitor.Tracer.
func (t *Traces) Received(parent, own string, begun time.Time, stages *monitor.Stages) {
	span := parse(own)
	if !span.IsSampled() {
		return
	}
	ctx := withIDs(trace.ContextWithRemoteSpanContext(context.Background(), parse(parent)), span)
	end := begun.Add(stages.Read + stages.Intake())
	ctx, receive := t.tracer.Start(ctx, "receive", trace.WithTimestamp(begun), trace.WithSpanKind(trace.SpanKindServer))
	at := begun
	for _, s := range []stage{{"read", stages.Read}, {"checks", stages.Check}, {"store", stages.Store}} {
		at = t.part(ctx, s, at)
	}
	receive.End(trace.WithTimestamp(end))
}

// stage is a part of a span.
type stage struct {
	name string
	took time.Duration
}

// part makes the span of a stage that began then, if it took place, and returns when it ended.
func (t *Traces) part(ctx context.Context, s stage, begun time.Time) time.Time {
	end := begun.Add(s.took)
	if s.took > 0 {
		_, span := t.tracer.Start(ctx, s.name, trace.WithTimestamp(begun))
		span.End(trace.WithTimestamp(end))
	}
	return end
}

// parse reads a W3C trace context; what is none is not valid.
func parse(traceparent string) trace.SpanContext {
	if traceparent == "" {
		return trace.SpanContext{}
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": traceparent})
	return trace.SpanContextFromContext(ctx)
}

func newTraceID() (id trace.TraceID) {
	fill(id[:])
	return id
}

func newSpanID() (id trace.SpanID) {
	fill(id[:])
	return id
}

// fill makes an id that is not zero.
func fill(id []byte) {
	for i := 0; i < len(id); i += 8 {
		n := rand.Uint64() | 1
		for j := range 8 {
			id[i+j] = byte(n >> (8 * j))
		}
	}
}

// given makes the ids of spans: those that a context has for the next span, or random ones.
type given struct{}

type idsKey struct{}

func withIDs(ctx context.Context, ids trace.SpanContext) context.Context {
	return context.WithValue(ctx, idsKey{}, &ids)
}

// take returns the ids of a context, once.
func take(ctx context.Context) (ids trace.SpanContext) {
	if next, _ := ctx.Value(idsKey{}).(*trace.SpanContext); next != nil {
		ids, *next = *next, trace.SpanContext{}
	}
	return ids
}

// NewIDs implements sdk.IDGenerator.
func (given) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	if ids := take(ctx); ids.IsValid() {
		return ids.TraceID(), ids.SpanID()
	}
	return newTraceID(), newSpanID()
}

// NewSpanID implements sdk.IDGenerator.
func (given) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	if ids := take(ctx); ids.IsValid() {
		return ids.SpanID()
	}
	return newSpanID()
}
