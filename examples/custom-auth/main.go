// Custom-auth is a complete MTA with a login of its own: its users stand in an SQL table. It is configured as mtad is.
// Try it with
//
//	sqlite3 senders.db "INSERT INTO senders (name, hash) VALUES ('alice', '$(openssl passwd -6 sesame)')"
//	go run . --smtp-sink-address 127.0.0.1 --smtp-sink-port 2626
//	swaks --server 127.0.0.1:2525 --to you@example.com --auth PLAIN --auth-user alice --auth-password sesame
package main

import (
	"context"
	"database/sql"
	"log"
	"os"
	"os/signal"
	"syscall"

	_ "modernc.org/sqlite"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/auth/crypt"
	"github.com/sluicemail/sluice/mta"
)

const schema = `CREATE TABLE IF NOT EXISTS senders (name TEXT PRIMARY KEY, hash TEXT NOT NULL, blocked INTEGER NOT NULL DEFAULT 0)`

// nobody is what the password of an unknown user is checked against, so that it takes as long as that of a known one.
const nobody = "$6$/yl/sNMYM84LJ7Dr$CqZHdPZ/4bPRKLCOsjVrxnK6Qcw3Huz/6ljhwukpqC8ulssduYDdcagcF64YncImfpcyfzpr9buDlu.g9M1mc/"

// Senders lets in who stands in the table senders and is not blocked.
type Senders struct {
	DB       *sql.DB
	Verifier crypt.Verifier
}

// Authenticate returns nil, ErrRejected, or any other error when it cannot tell.
func (s *Senders) Authenticate(ctx context.Context, login auth.Login) error {
	hash := nobody
	err := s.DB.QueryRowContext(ctx, `SELECT hash FROM senders WHERE name = ? AND blocked = 0`, login.Username).Scan(&hash)
	if err != nil && err != sql.ErrNoRows {
		return err
	}
	matches, failed := s.Verifier.Verify(ctx, hash, login.Password)
	if failed == nil && (err != nil || !matches) {
		return auth.ErrRejected
	}
	return failed
}

// openTable opens a database and makes its table.
func openTable(file string) (*sql.DB, error) {
	db, _ := sql.Open("sqlite", file) // fails for an unknown driver only
	_, err := db.Exec(schema)
	return db, err
}

// run is the MTA until ctx ends.
func run(ctx context.Context, db *sql.DB, args []string) error {
	cfg, report, err := mta.Load(args, os.Environ())
	if err != nil {
		return err
	}
	m, err := mta.Open(ctx, cfg, mta.Options{Authenticator: &Senders{DB: db}, Report: report})
	if err != nil {
		return err
	}
	return m.Run(ctx)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	db, err := openTable("senders.db")
	if err == nil {
		err = run(ctx, db, os.Args[1:])
	}
	if err != nil {
		log.Fatal(err)
	}
}
