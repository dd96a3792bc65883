package alarm_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery/internal/alarm"
)

// The earliest time counts, whatever the alarm was set to before and after it; it is set anew once it rang.
func TestEarliest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var mu sync.Mutex // that Alarm asks for
		var rang []time.Duration
		var a alarm.Alarm
		a = alarm.New(func() {
			mu.Lock()
			defer mu.Unlock()
			a.Rang()
			rang = append(rang, time.Since(begun))
		})
		after := func(d time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			a.Set(begun.Add(d))
		}
		after(3 * time.Second)
		after(time.Second)
		after(2 * time.Second)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, []time.Duration{time.Second}, rang)
		after(2 * time.Hour)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.Equal(t, []time.Duration{time.Second, 2 * time.Hour}, rang)
		after(4 * time.Hour)
		a.Stop()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.Len(t, rang, 2)
	})
}
