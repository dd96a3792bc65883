package smtpout

import "github.com/sluicemail/sluice/queue"

// DownConvert is downConvert for a remote without 8BITMIME.
func DownConvert(mail queue.Bytes) (converted queue.Bytes, ok bool) {
	return downConvert(mail, maxConverted, false)
}

// EndLines is endLines of a mail that can be read.
func EndLines(body queue.Body) queue.Body {
	ended, err := endLines(body)
	if err != nil {
		panic(err)
	}
	return ended
}
