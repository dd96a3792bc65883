package services

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
)

// fetch gets a page that needs no token.
func fetch(t *testing.T, url string) (status int, text string) {
	t.Helper()
	response, err := http.Get(url)
	require.NoError(t, err)
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(data)
}

// TestDamageIsTold writes zeros over what a killed mtad stored last, and looks where an operator would.
func TestDamageIsTold(t *testing.T) {
	w := newWorld(t)
	metrics := "127.0.0.1:" + mtatest.FreePort(t)
	w.Rewrite(t, mtatest.Settings{"metrics-address": metrics})
	c := w.Talk(t)
	c.Command("EHLO client.test", 250)
	for i := range 60 {
		c.Command("MAIL FROM:<a@client.test>", 250)
		c.Command(fmt.Sprintf("RCPT TO:<%d@sink.test>", i), 250)
		c.Command("DATA", 354)
		c.Raw("x-mq-delayed: 2036-01-02 03:04:05\r\nSubject: x\r\n\r\ntext\r\n.\r\n")
		code, _ := c.Reply()
		require.Equal(t, 250, code)
	}
	c.Conn.Close()
	w.Kill()

	segments, err := filepath.Glob(filepath.Join(w.Queue, "segments", "*"))
	require.NoError(t, err)
	data, err := os.ReadFile(segments[0])
	require.NoError(t, err)
	end := len(data)
	for end > 0 && data[end-1] == 0 {
		end--
	}
	require.Greater(t, end, 20_000)
	clear(data[end-8192 : end])
	require.NoError(t, os.WriteFile(segments[0], data, 0o600))

	w.Daemon = w.Again(t)
	require.Contains(t, w.Log.String(), `level=ERROR msg="the queue is damaged"`)
	mtatest.Eventually(t, "it takes mail", func() bool { status, _ := fetch(t, w.base+"/readyz"); return status == 200 })
	s := w.services()
	require.True(t, s["queue"].Up, "it goes on")
	require.False(t, s["queue damage"].Up)
	require.Contains(t, s["queue damage"].Detail, "segments/")
	require.Contains(t, s["queue damage"].Detail, "hold no record")
	require.Contains(t, s["queue damage"].Detail, filepath.Join(w.Queue, "damaged"))
	_, text := fetch(t, "http://"+metrics+"/metrics")
	require.Contains(t, text, "sluice_queue_damaged_places_total ")
	require.NotContains(t, text, "sluice_queue_damaged_places_total 0")
	aside, err := os.ReadDir(filepath.Join(w.Queue, "damaged"))
	require.NoError(t, err)
	require.NotEmpty(t, aside)
	w.Terminate(t)

	w.Daemon = w.Again(t)
	require.NotContains(t, w.Log.String(), "damaged")
	_, there := w.services()["queue damage"]
	require.False(t, there, "it is told once")
	w.Terminate(t)
}
