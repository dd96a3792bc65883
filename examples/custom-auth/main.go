// Custom-auth is an SMTP server whose users stand in an SQL table: an Authenticator of one's own, in one method. Try it
// with
//
//	go run . -add alice            # asks for her password
//	go run .
//	swaks --server 127.0.0.1:2525 --to you@example.com --auth PLAIN --auth-user alice --auth-password sesame
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os/exec"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	_ "modernc.org/sqlite"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/auth/crypt"
	"github.com/sluicemail/sluice/smtpin"
)

const schema = `CREATE TABLE IF NOT EXISTS senders (name TEXT PRIMARY KEY, hash TEXT NOT NULL, blocked INTEGER NOT NULL DEFAULT 0)`

// nobody is what the password of an unknown user is checked against, so that it takes as long as that of a known one.
const nobody = "$6$/yl/sNMYM84LJ7Dr$CqZHdPZ/4bPRKLCOsjVrxnK6Qcw3Huz/6ljhwukpqC8ulssduYdDcagcF64YncImfpcyfzpr9buDlu.g9M1mc/"

// Senders lets in who stands in the table senders and is not blocked.
type Senders struct {
	DB       *sql.DB
	Verifier crypt.Verifier
}

// Authenticate returns nil, ErrRejected, or any other error when it cannot tell.
func (s *Senders) Authenticate(ctx context.Context, login auth.Login) error {
	if login.Username == "" || login.Password == "" {
		return auth.ErrRejected
	}
	hash := nobody
	err := s.DB.QueryRowContext(ctx, `SELECT hash FROM senders WHERE name = ? AND blocked = 0`, login.Username).Scan(&hash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("look up sender: %w", err)
	}
	known := err == nil
	matches, err := s.Verifier.Verify(ctx, hash, login.Password)
	if err != nil {
		return fmt.Errorf("check password of sender: %w", err)
	}
	if !known || !matches {
		return auth.ErrRejected
	}
	return nil
}

// session offers AUTH, and takes mail from those who have used it.
type session struct {
	ctx   context.Context
	conn  *smtpin.Conn
	users auth.Authenticator
}

func (s *session) AuthMechanisms() []string { return smtpin.AuthMechanisms() }

func (s *session) Auth(mechanism string) (sasl.Server, error) {
	return smtpin.NewAuthServer(s.ctx, s.conn, s.users, mechanism)
}

func (s *session) Mail(string, *smtp.MailOptions) error {
	if s.conn.User() == "" {
		return smtp.ErrAuthRequired
	}
	return nil
}

func (s *session) Rcpt(string, *smtp.RcptOptions) error { return nil }

func (s *session) Data(r io.Reader) error {
	size, err := io.Copy(io.Discard, r)
	log.Printf("%d bytes from %s", size, s.conn.User())
	return err
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

// newServer puts the guard and the cache of the house in front of the users.
func newServer(address string, users auth.Authenticator) *smtpin.Server {
	users = &auth.Limit{Backend: &auth.Cache{Backend: users}}
	return &smtpin.Server{
		Listeners: []*smtpin.Listener{{Addr: address}},
		Backend: smtpin.BackendFunc(func(ctx context.Context, c *smtpin.Conn) (smtp.Session, error) {
			return &session{ctx, c, users}, nil
		}),
	}
}

// openTable opens a database and makes its table.
func openTable(file string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", file)
	if err != nil {
		return nil, err
	}
	if _, err = db.Exec(schema); err != nil {
		db.Close()
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	return db, nil
}

// add stores the hash of a password that `openssl passwd -6` asks for.
func add(db *sql.DB, name string) error {
	command := exec.Command("openssl", "passwd", "-6")
	hash, err := command.Output()
	if err != nil {
		return fmt.Errorf("openssl passwd: %w", err)
	}
	_, err = db.Exec(`INSERT OR REPLACE INTO senders (name, hash) VALUES (?, ?)`, name, string(hash[:len(hash)-1]))
	return err
}

func main() {
	address := flag.String("listen", "127.0.0.1:2525", "where to listen")
	file := flag.String("db", "senders.db", "the SQLite database")
	name := flag.String("add", "", "add this sender and stop")
	flag.Parse()
	db, err := openTable(*file)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if *name != "" {
		if err := add(db, *name); err != nil {
			log.Fatal(err)
		}
		return
	}
	log.Fatal(newServer(*address, &Senders{DB: db}).ListenAndServe())
}
