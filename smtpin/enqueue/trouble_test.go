package enqueue

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

// TestOutageInTheLog refuses many mails: the log tells of the first, of the end, and of what is a matter of one mail.
func TestOutageInTheLog(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	var trouble trouble
	trouble.over(log)
	for range 2 {
		for i := range 1000 {
			trouble.found(log, fmt.Errorf("%w: away", queue.ErrUnavailable), "id", i)
		}
		trouble.found(log, queue.ErrTooLarge, "id", "large")
		trouble.over(log)
		trouble.over(log)
	}
	require.Equal(t, 6, strings.Count(out.String(), "\n"), out.String())
	require.Equal(t, 2, strings.Count(out.String(), "id=0 "))
	require.Equal(t, 2, strings.Count(out.String(), "refused=1000"))
}
