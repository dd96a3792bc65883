package webtest

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// patience is how long what is to come may take on a busy machine.
const Patience = time.Minute

// Watcher is a browser's web socket.
type Watcher struct {
	*websocket.Conn
	T *testing.T
}

func (w *World) Dial(headers ...string) (*Watcher, *http.Response, error) {
	h := http.Header{"Origin": {w.Server.URL}}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	ctx, cancel := context.WithTimeout(w.T.Context(), Patience)
	defer cancel()
	conn, response, err := websocket.Dial(ctx, w.Server.URL+"/live",
		&websocket.DialOptions{HTTPClient: &http.Client{Jar: w.Client.Jar}, HTTPHeader: h})
	if err != nil {
		return nil, response, err
	}
	w.T.Cleanup(func() { conn.CloseNow() })
	conn.SetReadLimit(1 << 20)
	return &Watcher{conn, w.T}, response, nil
}

func (w *World) Watch(topics ...string) *Watcher {
	w.T.Helper()
	socket, _, err := w.Dial()
	require.NoError(w.T, err)
	socket.Ask(topics...)
	return socket
}

func (w *Watcher) Ask(topics ...string) {
	w.T.Helper()
	text, err := json.Marshal(map[string]any{"watch": topics})
	require.NoError(w.T, err)
	require.NoError(w.T, w.Write(w.T.Context(), websocket.MessageText, text))
}

type Message struct {
	Topic string
	Data  json.RawMessage
}

func (w *Watcher) Next() (Message, error) {
	ctx, cancel := context.WithTimeout(w.T.Context(), Patience)
	defer cancel()
	_, text, err := w.Read(ctx)
	var m Message
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	return m, err
}

// Until reads until a message of a topic passes.
func (w *Watcher) Until(topic string, ok func(Message) bool) Message {
	w.T.Helper()
	for begun := time.Now(); ; {
		m, err := w.Next()
		require.NoError(w.T, err)
		require.Less(w.T, time.Since(begun), Patience, "waiting for %s", topic)
		if m.Topic == topic && ok(m) {
			return m
		}
	}
}
