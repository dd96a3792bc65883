package mta

import (
	"fmt"
	"io"
	"slices"

	"github.com/sluicemail/sluice/console/ctl"
)

// commands are the words that mtad may begin with.
func commands(word string) func(args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	switch word {
	case "ctl":
		return control
	case "learn":
		return learn
	}
	return nil
}

// noCommand says what was meant by a word that stands alone and is no mail address; "" when nobody knows.
func noCommand(word string) string {
	nearly := map[string]string{"queue": "queues", "log": "logs", "mailq": "queues", "tokens": "token",
		"service": "services"}
	if meant, known := nearly[word]; known {
		word = meant
	}
	switch {
	case commands(word) != nil:
		return fmt.Sprintf("%s comes first, and its options behind it: mtad %s --config-file FILE …", word, word)
	case slices.Contains(ctl.Commands(), word):
		return "use mtad ctl " + word
	}
	return ""
}
