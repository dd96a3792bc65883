package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sluicemail/sluice/checks/spamd"
	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/internal/mbox"
	"github.com/sluicemail/sluice/mta"
)

const learnUsage = `mtad learn [--config-file FILE] [--user NAME] [--json] spam|ham|forget [FILE...]

Teaches SpamAssassin what is spam and what is not: mails, or mailbox files of them, from files or standard input, go to the spamd
of spamassassin-host and spamassassin-port, which must run with --allow-tell. --user names whose filter is taught.
Exit codes: 0 when all was learned or known already, 64 usage, 66 a file that cannot be read, 69 spamd cannot or will not learn.
`

// Limits of one mail that is taught: its size, and how long spamd may take.
const (
	maxLearn  = 16 << 20
	learnTime = 2 * time.Minute
)

// learning is one run of mtad learn.
type learning struct {
	spamd  *spamd.Checker
	user   string
	class  spamd.Class
	stderr io.Writer

	mails, news int
	code        int
}

// learn is mtad learn.
func learn(c *Call) int {
	args := slices.Clone(c.Args)
	asJSON := slices.Contains(args, "--json")
	args = slices.DeleteFunc(args, func(a string) bool { return a == "--json" })
	user, args, err := cutUser(args)
	if err != nil {
		fmt.Fprintln(c.Stderr, "mtad learn:", err)
		return exitUsage
	}
	cfg, report, err := config.Load(mta.Sources(args, c.Environ))
	switch words := report.Switches.Addresses; {
	case report.Switches.Help:
		fmt.Fprint(c.Stdout, learnUsage)
		return ExitOK
	case err != nil:
		fmt.Fprintln(c.Stderr, err)
		return ExitConfig
	case len(words) == 0 || !isClass(words[0]):
		fmt.Fprint(c.Stderr, learnUsage)
		return exitUsage
	}
	words := report.Switches.Addresses
	l := &learning{spamd: mta.SpamScanner(cfg), user: user, class: spamd.Class(words[0]), stderr: c.Stderr}
	if len(words) == 1 {
		l.read("standard input", c.Stdin)
	}
	for _, name := range words[1:] {
		if !l.open(name) {
			break
		}
	}
	form := "%d of %d mails were news to SpamAssassin\n"
	if asJSON {
		form = `{"news":%d,"mails":%d}` + "\n"
	}
	fmt.Fprintf(c.Stdout, form, l.news, l.mails)
	return l.code
}

func isClass(word string) bool {
	switch spamd.Class(word) {
	case spamd.Spam, spamd.Ham, spamd.Forget:
		return true
	}
	return false
}

// cutUser takes --user out of a command line: it is not the key of that name, which says as whom the server runs.
func cutUser(args []string) (user string, rest []string, err error) {
	for i := 0; i < len(args); i++ {
		value, found := strings.CutPrefix(args[i], "--user=")
		switch {
		case found:
			user = value
		case args[i] == "--user" && i+1 < len(args):
			i++
			user = args[i]
		case args[i] == "--user":
			return "", nil, errors.New("--user: expected a name")
		default:
			rest = append(rest, args[i])
		}
	}
	return user, rest, nil
}

// open teaches the mails of a file; false: spamd is not to be had.
func (l *learning) open(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		l.fail(exitNoInput, err)
		return true
	}
	defer f.Close()
	return l.read(name, f)
}

// read teaches the mails of a stream; false: spamd is not to be had.
func (l *learning) read(name string, r io.Reader) bool {
	box := mbox.NewReader(r, maxLearn)
	for {
		mail, err := box.Next()
		switch {
		case err == io.EOF:
			return true
		case errors.Is(err, mbox.ErrTooLarge):
			l.fail(exitNoInput, fmt.Errorf("%s: %w", name, err))
		case err != nil:
			l.fail(exitNoInput, fmt.Errorf("%s: %w", name, err))
			return true
		case !l.teach(mail):
			return false
		}
	}
}

func (l *learning) teach(mail []byte) bool {
	ctx, cancel := context.WithTimeout(context.Background(), learnTime)
	defer cancel()
	news, err := l.spamd.Learn(ctx, bytes.NewReader(mail), l.user, l.class)
	if err != nil {
		l.fail(exitUnavailable, err)
		if answer, ok := errors.AsType[*spamd.AnswerError](err); ok && answer.Code == exitUnavailable {
			fmt.Fprintln(l.stderr, "mtad learn: start spamd with --allow-tell to have it learn")
		}
		return false
	}
	l.mails++
	if news {
		l.news++
	}
	return true
}

// fail tells of an error and remembers the first exit code.
func (l *learning) fail(code int, err error) {
	fmt.Fprintln(l.stderr, "mtad learn:", err)
	if l.code == ExitOK {
		l.code = code
	}
}
