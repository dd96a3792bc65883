package smtpout

import "github.com/sluicemail/sluice/queue"

// EndLines is endLines of a mail that can be read.
func EndLines(body queue.Body) queue.Body {
	ended, err := endLines(body)
	if err != nil {
		panic(err)
	}
	return ended
}
