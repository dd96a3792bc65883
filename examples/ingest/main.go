// Ingest is the smallest embedder of smtpin: a server on 127.0.0.1:2525 that prints what it is sent. Try it with
//
//	swaks --server 127.0.0.1:2525 --to you@example.com
package main

import (
	"context"
	"fmt"
	"io"
	"log"

	"github.com/emersion/go-smtp"

	"github.com/sluicemail/sluice/smtpin"
)

// session is a session of go-smtp. Any method may refuse, with a reply of its own.
type session struct{ to []string }

func (s *session) Mail(from string, opts *smtp.MailOptions) error { return nil }
func (s *session) Reset()                                         { s.to = nil }
func (s *session) Logout() error                                  { return nil }

func (s *session) Rcpt(to string, opts *smtp.RcptOptions) error {
	if to == "nobody@example.com" {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such user"}
	}
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	mail, err := io.ReadAll(r)
	fmt.Printf("%d bytes for %v\n", len(mail), s.to)
	return err
}

func main() {
	server := &smtpin.Server{
		Listeners: []*smtpin.Listener{{Addr: "127.0.0.1:2525"}},
		Backend: smtpin.BackendFunc(func(ctx context.Context, c *smtpin.Conn) (smtp.Session, error) {
			return &session{}, nil
		}),
	}
	log.Fatal(server.ListenAndServe())
}
