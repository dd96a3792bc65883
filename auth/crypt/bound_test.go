package crypt

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

const hashOfX = "$6$rounds=1000$MuZ.ZTdlRJ0zHPxS$pPopUkYjchlws6NvBIxi20/HdCH7ZLzo1WMD.Cj/BMfWwBDzfJkm3Tol.QNSwyg/4H2WjHyhRcNQYGB4qB0hl."

// TestBound holds the only slot, so that a check waits until it is free or nobody wants to know any more.
func TestBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &Verifier{Concurrent: 1}
		require.NoError(t, v.acquire(t.Context()))

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := v.Verify(ctx, hashOfX, "x")
		require.ErrorIs(t, err, context.DeadlineExceeded)

		answer := make(chan bool)
		go func() {
			matches, _ := v.Verify(t.Context(), hashOfX, "x")
			answer <- matches
		}()
		synctest.Wait()
		select {
		case <-answer:
			t.Fatal("checked beside another")
		default:
		}
		<-v.slots
		require.True(t, <-answer)
	})
}

func TestNothingIsCheckedForTheGone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var v Verifier
	_, err := v.Verify(ctx, hashOfX, "x")
	require.ErrorIs(t, err, context.Canceled)
}
