package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// How many look at the console while mtad+watched is measured.
const (
	overviews = 50
	monitors  = 5
)

// watched runs mtad with its console, and people in front of it: most of them see the overview, some the SMTP monitor.
// They take whatever comes, as browsers do, and share the machine with everything else.
func (b *bench) watched(work, in, out string) (*relay, error) {
	port := freePort()
	r, err := b.program(b.bin("mtad"), "--config-file", "/dev/null", "--smtp-ip", "127.0.0.1", "--smtp-port", in,
		"--smtp-range", "127.0.0.0/8",
		"--queue-address", "disk://"+filepath.Join(work, "queue"), "--database-address",
		"sqlite://"+filepath.Join(work, "settings.db"),
		"--smtp-sink-address", "127.0.0.1", "--smtp-sink-port", out,
		"--www-ip", "127.0.0.1", "--www-port", port, "--www-auth", "hardcoded://bench:bench")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(b.ctx)
	var watching sync.WaitGroup
	end := r.stop
	r.stop = func() { cancel(); watching.Wait(); end() }
	if err := waitPort(ctx, port); err != nil {
		r.stop()
		return nil, err
	}
	if err := b.audience(ctx, &watching, "http://127.0.0.1:"+port); err != nil {
		r.stop()
		return nil, err
	}
	return r, nil
}

// audience logs in and opens everybody's web sockets.
func (b *bench) audience(ctx context.Context, watching *sync.WaitGroup, base string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	client := &http.Client{Jar: jar, Timeout: 30 * time.Second}
	answer, err := client.PostForm(base+"/login", url.Values{"username": {"bench"}, "password": {"bench"}, "next": {"/"}})
	if err != nil {
		return err
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("logging in to the console: %s", answer.Status)
	}
	for i := range overviews + monitors {
		topics := `{"watch":["figures","attention","shell?filtered=1"]}`
		if i >= overviews {
			topics = `{"watch":["smtp-sessions","smtp","shell"]}`
		}
		conn, _, err := websocket.Dial(ctx, base+"/live",
			&websocket.DialOptions{HTTPClient: &http.Client{Jar: jar}, HTTPHeader: http.Header{"Origin": {base}}})
		if err != nil {
			return fmt.Errorf("web socket: %w", err)
		}
		conn.SetReadLimit(8 << 20)
		if err := conn.Write(ctx, websocket.MessageText, []byte(topics)); err != nil {
			return err
		}
		heard := make(chan error, 1)
		watching.Go(func() { watch(ctx, conn, heard) })
		select {
		case err = <-heard:
		case <-time.After(10 * time.Second):
			err = errors.New("the console says nothing")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// watch takes what comes until ctx ends, and reports once that something did.
func watch(ctx context.Context, conn *websocket.Conn, heard chan<- error) {
	defer conn.CloseNow()
	for told := false; ; told = true {
		_, _, err := conn.Read(ctx)
		if !told {
			heard <- err
		}
		if err != nil {
			return
		}
	}
}
