package command

import (
	"bufio"
	"bytes"
	"io"
)

// untilDot reads up to a line with only a dot, and takes the first dot of a line that begins with two (MailerQ 5.13,
// command-line-utility).
type untilDot struct {
	r     io.Reader
	lines *bufio.Reader
	inner bool   // the next piece goes on with a line
	left  []byte // of a piece
	ended bool
}

func (u *untilDot) Read(p []byte) (int, error) {
	if u.lines == nil {
		u.lines = bufio.NewReaderSize(u.r, 64<<10)
	}
	for len(u.left) == 0 {
		if u.ended {
			return 0, io.EOF
		}
		piece, err := u.lines.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull && err != io.EOF {
			return 0, err
		}
		u.ended = err == io.EOF
		if !u.inner {
			if bytes.Equal(bytes.TrimRight(piece, "\r\n"), []byte(".")) {
				u.ended = true
				continue
			}
			if bytes.HasPrefix(piece, []byte("..")) {
				piece = piece[1:]
			}
		}
		u.inner, u.left = err == bufio.ErrBufferFull, piece
	}
	n := copy(p, u.left)
	u.left = u.left[n:]
	return n, nil
}
