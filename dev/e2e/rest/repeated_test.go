package rest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// TestRepeatedInjections kills mtad again and again while clients inject, who repeat each request with its key until it
// is answered, and once more: each is one mail, with the same id in every answer.
func TestRepeatedInjections(t *testing.T) {
	t.Parallel()
	clients, kills := 20, 5
	port := strconv.Itoa(testserver.FreePort(t))
	w := &world{t: t, url: "http://127.0.0.1:" + port}
	w.Daemon = mtatest.Start(t, mtatest.Kept.With(mtatest.Settings{"www-ip": "127.0.0.1", "www-port": port,
		"www-password": "secret"}))
	w.token = strings.TrimSpace(w.mustCtl("token", "add", "tests"))
	stop := make(chan struct{})
	answered := make([]int, clients)
	var group sync.WaitGroup
	for c := range clients {
		group.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				key := fmt.Sprintf("client-%d-%d", c, n)
				first := w.injectUntil(key)
				require.Equal(t, first, w.injectUntil(key))
				answered[c]++
			}
		})
	}
	for range kills {
		<-time.After(100*time.Millisecond + time.Duration(rand.Int64N(int64(300*time.Millisecond)))) // is what is tried here
		w.Kill()
		w.Daemon = w.Again(t)
	}
	close(stop)
	group.Wait()
	all := 0
	for _, n := range answered {
		all += n
	}
	w.Terminate(t)
	t.Logf("%d injections", all)
	require.Greater(t, all, clients)
	counts := map[string]int{}
	for _, m := range mtatest.Stored(t, mtatest.OpenQueue(t, w.Queue), "inbox", all) {
		counts[m.Recipient]++
	}
	require.Len(t, counts, all)
}

// injectUntil injects one mail, again and again until that is answered with 200.
func (w *world) injectUntil(key string) string {
	for {
		r, err := http.NewRequestWithContext(w.t.Context(), "POST", w.url+"/v1/inject",
			strings.NewReader(fmt.Sprintf(`{"envelope":"a@b.test","recipient":"%s@b.test","mime":"Subject: x\r\n\r\nx\r\n"}`, key)))
		if err != nil {
			return err.Error()
		}
		r.Header.Set("Authorization", "Bearer "+w.token)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", key)
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			text, readErr := io.ReadAll(answer.Body)
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK && readErr == nil {
				return string(text)
			}
		}
		if w.t.Context().Err() != nil {
			return "the test is over"
		}
		time.Sleep(5 * time.Millisecond)
	}
}
