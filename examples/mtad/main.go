// Command mtad is a complete mail transfer agent made of this module's packages. It reads MailerQ's configuration file;
// without any it listens on 127.0.0.1:2525 and keeps its queue under the user's state directory. mtad --help lists
// every key, mtad --check-config shows every effective value.
package main

import (
	"os"

	"github.com/sluicemail/sluice/mta"
)

func main() {
	os.Exit(mta.Main(os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
