package mtatest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/smtptest"
)

// Network is a part of the loopback network that this test has for itself: port 25 of its hosts is free.
type Network string

// NewNetwork skips the test when port 25 may not be used.
func NewNetwork(t testing.TB) Network {
	t.Helper()
	n := Network(fmt.Sprintf("127.%d.%d.", 1+rand.IntN(250), rand.IntN(250)))
	l, err := ListenTCP(n.Host(250) + ":25")
	if errors.Is(err, syscall.EACCES) {
		t.Skip("cannot listen on port 25, which takes root")
	}
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return n
}

func (n Network) Host(i int) string { return fmt.Sprint(string(n), i) }

// Sink starts a sink on port 25 of a host.
func (n Network) Sink(t testing.TB, i int, s *smtptest.Sink) *Sink {
	t.Helper()
	k := &Sink{Sink: s}
	s.Received = k.keep
	k.serve(t, n.Host(i)+":25")
	return k
}

// Queues are the settings that name all queues of a broker.
func Queues(address string) Settings {
	return Settings{"rabbitmq-address": address, "rabbitmq-results": "results", "rabbitmq-success": "success",
		"rabbitmq-failure": "failure", "rabbitmq-retry": "retry"}
}
