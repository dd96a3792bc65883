package mta

import (
	"fmt"

	"github.com/sluicemail/sluice/monitor/traces"
)

// openTraces begins to follow mails for the collector of traces-url. Nil: there is none.
func openTraces(b *base) (*traces.Traces, error) {
	if b.cfg.TracesURL == "" {
		return nil, nil
	}
	t, err := traces.Open(traces.Options{URL: b.cfg.TracesURL, Ratio: b.cfg.TracesRatio, Service: "mtad",
		Instance: b.cfg.HELO(), Version: Version(), Logger: b.log})
	if err != nil {
		return nil, misconfigured{fmt.Errorf("traces-url: %w", err)}
	}
	b.onClose(t.Close)
	return t, nil
}
