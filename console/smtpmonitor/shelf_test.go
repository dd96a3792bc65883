package smtpmonitor

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/monitor"
)

func TestShelfIsBounded(t *testing.T) {
	var s shelf
	flight := &monitor.Flight{Data: make([]byte, maxPassing)}
	owners := []*follower{new(follower), new(follower)}
	var keys []string
	for i := range 100 {
		keys = append(keys, s.put(owners[i%2], flight))
	}
	require.LessOrEqual(t, s.bytes, 2*maxOwned)
	require.Nil(t, s.get(keys[0]))
	require.NotNil(t, s.get(keys[99]))
	for range 5000 {
		s.put(owners[0], &monitor.Flight{Data: []byte("x")})
	}
	require.Less(t, len(s.order), 2000, "small ones too")
	require.NotNil(t, s.get(keys[99]), "one page does not push out what another has")
	for range 200 {
		s.put(new(follower), &monitor.Flight{Data: make([]byte, maxPassing)})
	}
	require.LessOrEqual(t, s.bytes, maxShelf)
	require.Nil(t, s.get(keys[99]))
}
