package logfile_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/sluicemail/sluice/monitor/logfile"
)

func Example() {
	dir, err := os.MkdirTemp("", "logs")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "www.log")

	log, err := logfile.Open(logfile.Options{
		WWW: logfile.Target{File: file, Format: "{$date} {$ip}{if $request} {$request}{/if}"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	log.Access(time.Unix(0, 0), netip.MustParseAddr("192.0.2.1"), "GET /queues")
	if err := log.Close(); err != nil {
		fmt.Println(err)
	}
	text, _ := os.ReadFile(file)
	fmt.Printf("%s", text)
	// Output: 1970-01-01 00:00:00 192.0.2.1 GET /queues
}
