// Webhook receives what mtad posts to webhook-url, verifies that it comes from there, and prints a line for each
// result, each once:
//
//	go run ./examples/webhook --secret s3cret
//	go run ./examples/mtad --webhook-url http://127.0.0.1:8000/ --webhook-secret s3cret
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"sync"
	"time"

	"github.com/sluicemail/sluice/monitor/webhook"
)

// result is what this program wants to know of each.
type result struct {
	ID      string
	Message struct {
		Recipient string
		Results   []struct {
			State, Result, Description string
			Code                       int
		}
	}
}

func main() {
	address := flag.String("listen", "127.0.0.1:8000", "address to listen on")
	secret := flag.String("secret", "", "webhook-secret of mtad")
	flag.Parse()
	var seen sync.Map // a database in real life
	log.Fatal(http.ListenAndServe(*address, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16<<20))
		if err == nil {
			err = webhook.Verify(*secret, r.Header, body, time.Now())
		}
		var results []result
		if err == nil {
			err = json.Unmarshal(body, &results)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for _, one := range results {
			n := len(one.Message.Results)
			if _, again := seen.LoadOrStore(one.ID, true); !again && n > 0 {
				last := one.Message.Results[n-1]
				fmt.Println(one.ID, one.Message.Recipient, last.State, last.Result, last.Code, last.Description)
			}
		}
	})))
}
