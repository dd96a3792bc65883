package console_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/monitor"
)

func ExampleConsole() {
	c := &console.Console{
		Auth: auth.Hardcoded(map[string]string{"admin": "secret"}),
		Live: &monitor.Live{}, // the monitor of smtpin.Server and delivery.Engine
	}
	defer c.Close()
	server := &http.Server{Addr: "127.0.0.1:8485", Handler: c} // or console.Server, with TLS and limits
	w := httptest.NewRecorder()
	server.Handler.ServeHTTP(w, httptest.NewRequest("GET", "/healthz", nil))
	fmt.Print(w.Body)
	// Output: alive
}
