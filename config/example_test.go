package config_test

import (
	"fmt"
	"os"

	"github.com/sluicemail/sluice/config"
)

// A program reads its configuration, prints what is to be said about it, and ends with the status of sysexits.h if it
// cannot be used.
func Example() {
	cfg, report, err := config.Load(config.Sources{
		SystemFiles: []string{}, // nil: those in /etc
		Args:        []string{"--smtp-port=2525,2526", "--smtp-rnage=x"},
		Environ:     []string{"MTAD_SMTP_RANGE=127.0.0.0/8"},
		NoFile:      config.LoopbackDefaults(),
	})
	for _, warning := range report.Warnings {
		fmt.Println("warning:", warning)
	}
	if err != nil {
		fmt.Println(err)
		fmt.Println("exit status", config.ExConfig)
		return
	}
	fmt.Println(cfg.SMTPPort)
	// Output:
	// command line --smtp-rnage: expected a known switch; did you mean --smtp-range?
	// exit status 78
}

func ExampleReport_Given() {
	_, report, err := config.Load(config.Sources{SystemFiles: []string{}, Args: []string{"--smtp-range=10.0.0.0/8"}})
	fmt.Println(err, len(report.Files), report.Given("smtp-range"), report.Given("smtp-port"))
	// Output: <nil> 0 true false
}

func ExampleParseArgs() {
	switches, err := config.ParseArgs([]string{"-t", "-i", "-f", "sender@example.com", "someone@example.org"})
	fmt.Println(switches.ExtractRecipients, switches.Envelope, switches.Addresses, err)
	// Output: true sender@example.com [someone@example.org] <nil>
}

func ExampleParseCiphers() {
	_, missing, err := config.ParseCiphers("HIGH:CAMELLIA256:!aNULL")
	fmt.Fprintln(os.Stdout, missing, err)
	// Output: [CAMELLIA256] <nil>
}
