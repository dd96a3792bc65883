package main

import (
	"context"
	"database/sql"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/auth/authtest"
	"github.com/sluicemail/sluice/auth/crypt"
	"github.com/sluicemail/sluice/internal/testserver"
)

// The password of everybody, and its hash.
const (
	password = "open-sesame"
	hash     = "$6$rounds=1000$dP.yUDm57JU.080U$zLEcAi.UOGDjepbYlpxru0vPTWVS2jwUmPncjzZiDufgWxaP0zMjOwTY6D1Sah5Nu2hlJYBYa0urPdLnUMJ1h0"
)

func table(t *testing.T) *sql.DB {
	t.Helper()
	db, err := openTable(filepath.Join(t.TempDir(), "senders.db"))
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	for _, row := range []struct {
		name    string
		blocked bool
	}{{"alice", false}, {"o'brien@example.com", false}, {"mallory", true}} {
		_, err = db.Exec(`INSERT INTO senders VALUES (?, ?, ?)`, row.name, hash, row.blocked)
		require.NoError(t, err)
	}
	return db
}

func TestExam(t *testing.T) {
	authtest.Run(t, func(t *testing.T) (auth.Authenticator, map[string]string) {
		return &Senders{DB: table(t)}, map[string]string{"alice": password, "o'brien@example.com": password}
	})
}

func TestDatabaseDown(t *testing.T) {
	db := table(t)
	require.NoError(t, db.Close())
	err := (&Senders{DB: db}).Authenticate(t.Context(), auth.Login{Username: "alice", Password: password})
	require.Error(t, err)
	require.NotErrorIs(t, err, auth.ErrRejected)
}

// TestUnknownUsersCostAsMuch holds the hash for nobody against what openssl makes.
func TestUnknownUsersCostAsMuch(t *testing.T) {
	require.NoError(t, crypt.Supported(nobody))
	err := (&Senders{DB: table(t)}).Authenticate(t.Context(), auth.Login{Username: "nobody", Password: password})
	require.ErrorIs(t, err, auth.ErrRejected)
}

// TestOverSMTP logs in as a mail client does.
func TestOverSMTP(t *testing.T) {
	dir := t.TempDir()
	port := strconv.Itoa(testserver.FreePort(t))
	address := net.JoinHostPort("127.0.0.1", port)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, table(t), []string{"--smtp-ip", "127.0.0.1", "--smtp-port", port, "--smtp-range", "127.0.0.0/8",
			"--queue-address", "disk://" + dir + "/queue", "--database-address", "sqlite://" + dir + "/settings.db",
			"--smtp-sink-address", "127.0.0.1", "--smtp-sink-port", "1", "--www-port", "0"})
	}()
	defer func() {
		stop()
		require.NoError(t, <-ended)
	}()
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err == nil
	}, 40*time.Second, 10*time.Millisecond, "it takes mail")

	for _, c := range []struct{ name, password, says string }{
		{"alice", password, ""},
		{"alice", "wrong", "535"},
		{"mallory", password, "535"},
	} {
		client, err := smtp.Dial(address)
		require.NoError(t, err)
		mail := func() error {
			return client.SendMail("a@example.com", []string{"b@example.com"}, strings.NewReader("Hello\r\n"))
		}
		require.Error(t, mail(), "mail is taken without login")
		require.NoError(t, client.Reset())
		err = client.Auth(sasl.NewPlainClient("", c.name, c.password))
		if c.says == "" {
			require.NoError(t, err)
			require.NoError(t, mail())
		} else {
			require.ErrorContains(t, err, c.says)
		}
		require.NoError(t, client.Close())
	}
}
