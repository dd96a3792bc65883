package smtpin_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/sluicemail/sluice/auth"
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

// member is a session of printer's kind whose clients can log in.
type member struct {
	printer
	ctx   context.Context
	conn  *smtpin.Conn
	users auth.Authenticator
}

func (m *member) AuthMechanisms() []string { return smtpin.AuthMechanisms() }

func (m *member) Auth(mechanism string) (sasl.Server, error) {
	return smtpin.NewAuthServer(m.ctx, m.conn, m.users, mechanism)
}

func ExampleNewAuthServer() {
	users := auth.Func(func(_ context.Context, l auth.Login) error {
		if l.Username != "joe" || l.Password != "secret" {
			return auth.ErrRejected
		}
		return nil
	})
	server := &smtpin.Server{
		Hostname: "mx.example.com",
		Backend: smtpin.BackendFunc(func(ctx context.Context, c *smtpin.Conn) (smtp.Session, error) {
			return &member{ctx: ctx, conn: c, users: users}, nil
		}),
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go server.ServeListener(listener, &smtpin.Listener{RequireAuth: true})
	defer server.Close()

	client, err := smtp.Dial(listener.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	fmt.Println(client.Mail("a@example.net", nil))
	fmt.Println(client.Auth(sasl.NewPlainClient("", "joe", "wrong")))
	fmt.Println(client.Auth(sasl.NewPlainClient("", "joe", "secret")))
	// Output:
	// SMTP error 530: Log in with AUTH first
	// SMTP error 535: Wrong user name or password
	// <nil>
}
