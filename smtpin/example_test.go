package smtpin_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/emersion/go-smtp"

	"github.com/sluicemail/sluice/smtpin"
)

// printer is a session that prints mails.
type printer struct{ from string }

func (p *printer) Mail(from string, _ *smtp.MailOptions) error { p.from = from; return nil }

func (p *printer) Rcpt(to string, _ *smtp.RcptOptions) error {
	if !strings.HasSuffix(to, "@example.com") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "Not ours"}
	}
	return nil
}

func (p *printer) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err == nil {
		fmt.Printf("from %s: %q\n", p.from, body)
	}
	return err
}

func (p *printer) Reset()        { p.from = "" }
func (p *printer) Logout() error { return nil }

func ExampleServer() {
	server := &smtpin.Server{
		Hostname: "mx.example.com",
		Backend: smtpin.BackendFunc(func(context.Context, *smtpin.Conn) (smtp.Session, error) {
			return &printer{}, nil
		}),
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go server.Serve(listener)
	defer server.Close()

	client, err := smtp.Dial(listener.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	fmt.Println(client.SendMail("a@example.net", []string{"b@example.com"}, strings.NewReader("Hello\r\n")))
	fmt.Println(client.SendMail("a@example.net", []string{"b@example.org"}, strings.NewReader("Hello\r\n")))
	// Output:
	// from a@example.net: "Hello\r\n"
	// <nil>
	// SMTP error 550: Not ours
}
