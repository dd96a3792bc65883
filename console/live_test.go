package console_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/internal/consoletest"
	"github.com/sluicemail/sluice/internal/webtest"
	"github.com/sluicemail/sluice/monitor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLiveData(t *testing.T) {
	w := consoletest.New(t, nil).LogIn()
	socket := w.Watch("figures", "shell?filtered=1", "rows?of=domains", "nonsense", "rows?of=elsewhere")
	socket.Until("shell?filtered=1", func(m webtest.Message) bool { return strings.Contains(string(m.Data), `"running"`) })
	w.Live.Observe(&monitor.Event{Kind: monitor.ConnStarting, Domain: "a.test"})
	socket.Until("figures", func(m webtest.Message) bool {
		var n struct{ Gauges []struct{ Value int } }
		require.NoError(t, json.Unmarshal(m.Data, &n))
		return n.Gauges[1].Value == 1
	})
	w.Clock.Forward(2 * time.Second)
	socket.Until("rows?of=domains", func(m webtest.Message) bool { return strings.Contains(string(m.Data), "a.test") })
}

func TestTooManySockets(t *testing.T) {
	w := consoletest.New(t, func(c *console.Console) { c.MaxSockets = 2 }).LogIn()
	one, two := w.Watch("figures"), w.Watch("figures")
	one.Until("figures", func(webtest.Message) bool { return true })
	two.Until("figures", func(webtest.Message) bool { return true })
	third, _, err := w.Dial()
	require.NoError(t, err)
	_, err = third.Next()
	require.Equal(t, websocket.StatusTryAgainLater, websocket.CloseStatus(err))
	w.Live.Observe(&monitor.Event{Kind: monitor.ConnStarting})
	one.Until("figures", func(m webtest.Message) bool { return strings.Contains(string(m.Data), `"starting","value":1`) })
}

func TestCloseTellsBrowsers(t *testing.T) {
	w := consoletest.New(t, nil).LogIn()
	socket := w.Watch("figures")
	socket.Until("figures", func(webtest.Message) bool { return true })
	closed := make(chan error)
	go func() { closed <- w.Close() }()
	for {
		if _, err := socket.Next(); err != nil {
			require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(err))
			break
		}
	}
	require.NoError(t, <-closed)
	_, response, err := w.Dial()
	if err == nil {
		require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
	}
}
