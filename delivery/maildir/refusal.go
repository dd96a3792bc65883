package maildir

import (
	"errors"
	"io"
	"io/fs"
	"syscall"

	"github.com/sluicemail/sluice/internal/reply"
	"github.com/sluicemail/sluice/queue"
)

// refusal is the reply to a mail that is not delivered. Its text names no directories: senders get to read it.
type refusal struct {
	code         int
	status, text string
	storage      bool // it is the queue that could not give the mail
}

func (r *refusal) Error() string { return r.text }

var (
	errUnknown  = &refusal{code: 550, status: "5.1.1", text: "there is no mailbox of this name here"}
	errTooLong  = &refusal{code: 553, status: "5.1.3", text: "the recipient's address is too long to name a mailbox"}
	errOverFull = &refusal{code: 452, status: "4.2.2", text: "the mailbox is full"}
	errNoBase   = &refusal{code: 451, status: "4.3.5", text: "the directory of the mailboxes is not there"}
)

// refuse tells how a mail ends that met with an error. All but what errors say of the address may pass.
func refuse(err error) *refusal {
	var own *refusal
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, syscall.ENOSPC):
		return &refusal{code: 452, status: "4.3.1", text: "no space left on the disk of the mailbox"}
	case errors.Is(err, syscall.EDQUOT):
		return &refusal{code: 452, status: "4.2.2", text: "the mailbox has all the disk that it may have"}
	case errors.Is(err, fs.ErrPermission):
		return &refusal{code: 451, status: "4.3.5", text: "no permission to write to the mailbox"}
	case errors.Is(err, syscall.EROFS):
		return &refusal{code: 451, status: "4.3.5", text: "the disk of the mailbox cannot be written to"}
	case errors.Is(err, syscall.EXDEV):
		return &refusal{code: 451, status: "4.3.5", text: "tmp and new of the mailbox are on different file systems"}
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP):
		return &refusal{code: 451, status: "4.3.5", text: "what should be a directory of the mailbox is none"}
	case errors.Is(err, syscall.ENAMETOOLONG):
		return errTooLong
	}
	var system syscall.Errno
	text := "the mailbox cannot be written"
	if errors.As(err, &system) {
		text += ": " + system.Error()
	}
	return &refusal{code: 451, status: "4.3.0", text: text}
}

// unreadable tells how a mail ends that cannot be read: one that is damaged fails for good, as no later attempt can
// read it either.
func unreadable(err error) *refusal {
	r := &refusal{code: 451, status: "4.3.0", text: "the mail cannot be read", storage: true}
	if _, damaged := errors.AsType[*queue.DamageError](err); damaged {
		r.code, r.status = 554, "5.3.0"
	}
	if err != nil && err != io.EOF {
		r.text += ": " + reply.Clean([]byte(err.Error()))
	}
	return r
}
