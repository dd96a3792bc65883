package rabbittest

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// Quiet is a logger that shows what happened when the test fails.
func Quiet(t testing.TB) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

// Notes are lines of a log that can be counted. The zero value is empty.
type Notes struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (n *Notes) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.buf.Write(p)
}

// Lines returns what was logged so far.
func (n *Notes) Lines() []string {
	return strings.Split(strings.TrimSpace(n.String()), "\n")
}

// String returns what was logged so far, as it is.
func (n *Notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.buf.String()
}

// Logger returns a logger that writes them.
func (n *Notes) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(n, nil)) }
