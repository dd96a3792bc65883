package traces

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

const (
	exportTime = 5 * time.Second // that a request may take
	closeTime  = 3 * time.Second
)

// outlet is where spans leave: a bound in front of the SDK's batches, and a count of what becomes of them.
type outlet struct {
	sdk.SpanProcessor // of batches, which exports to counting

	most           int64
	waiting        atomic.Int64
	exported, lost atomic.Uint64
}

func newOutlet(to sdk.SpanExporter, most int, log *slog.Logger) *outlet {
	o := &outlet{most: int64(most)}
	// The bound is ours, so that the SDK, which does not tell, drops nothing.
	o.SpanProcessor = sdk.NewBatchSpanProcessor(&counting{SpanExporter: to, outlet: o, log: log},
		sdk.WithMaxQueueSize(most), sdk.WithBatchTimeout(time.Second), sdk.WithExportTimeout(exportTime))
	return o
}

// OnEnd implements sdk.SpanProcessor.
func (o *outlet) OnEnd(s sdk.ReadOnlySpan) {
	if o.waiting.Add(1) > o.most {
		o.waiting.Add(-1)
		o.lost.Add(1)
		return
	}
	o.SpanProcessor.OnEnd(s)
}

// counting is an exporter whose failures are counted and logged, and have no other consequence.
type counting struct {
	sdk.SpanExporter
	outlet *outlet
	log    *slog.Logger
	down   bool
}

// ExportSpans implements sdk.SpanExporter; the SDK calls it once at a time.
func (c *counting) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := c.SpanExporter.ExportSpans(ctx, spans)
	c.outlet.waiting.Add(-int64(len(spans)))
	switch {
	case err == nil:
		c.outlet.exported.Add(uint64(len(spans)))
		if c.down {
			c.log.Info("the collector takes traces again")
		}
	default:
		c.outlet.lost.Add(uint64(len(spans)))
		if !c.down {
			c.log.Warn("the collector takes no traces; they are lost", "error", err)
		}
	}
	c.down = err != nil
	return nil
}
