package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/api"
)

// The handler is mounted at /v1/. Without a token nobody learns anything.
func ExampleHandler() {
	mux := http.NewServeMux()
	mux.Handle("/v1/", &api.Handler{Admin: &admin.Admin{}})
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/v1/pauses", nil))
	fmt.Print(answer.Code, " ", answer.Body)
	// Output: 401 {"error":"this needs the header Authorization: Bearer TOKEN"}
}
