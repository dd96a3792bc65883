package testserver

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluicemail/sluice/internal/smtptest"
)

// RedisPassword is what [Redis] asks for.
const RedisPassword = "pass-of-redis"

// RedisServer is a running Redis.
type RedisServer struct {
	*Process
	// Address is host:port.
	Address string
}

// URL returns the address of a database, with the password.
func (s *RedisServer) URL(db int) string {
	return fmt.Sprintf("redis://:%s@%s/%d", RedisPassword, s.Address, db)
}

// Redis starts Redis, in memory only.
func Redis(t testing.TB) *RedisServer {
	t.Helper()
	s := &RedisServer{}
	_, _ = onFreePort(t, func(port int) (*Process, error) {
		s.Address = loopback(port)
		var err error
		s.Process, err = startRedis(t, s.Address)
		return s.Process, err
	})
	return s
}

// Restart kills Redis, which forgets everything, and starts another one at the same address.
func (s *RedisServer) Restart(t testing.TB) {
	t.Helper()
	s.Kill()
	p, err := startRedis(t, s.Address)
	if err != nil {
		t.Fatal(err)
	}
	s.Process = p
}

// RedisTLS starts a Redis that speaks TLS only. It returns the file of its certificate, which signed itself.
func RedisTLS(t testing.TB) (s *RedisServer, certFile string) {
	t.Helper()
	Need(t, "redis-server")
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if _, err := smtptest.WriteSelfSigned(certFile, keyFile); err != nil {
		t.Fatal(err)
	}
	s = &RedisServer{}
	s.Process, _ = onFreePort(t, func(port int) (*Process, error) {
		s.Address = loopback(port)
		return TryStart(t, Command{
			Program: "redis-server",
			Args: []string{"--bind", "127.0.0.1", "--port", "0", "--tls-port", strconv.Itoa(port), "--dir", dir, "--save", "",
				"--appendonly", "no",
				"--requirepass", RedisPassword, "--tls-cert-file", certFile, "--tls-key-file", keyFile, "--tls-auth-clients", "no"},
			Ready: func() error { return accepts(s.Address) },
		})
	})
	return s, certFile
}

func startRedis(t testing.TB, address string) (*Process, error) {
	t.Helper()
	host, port, _ := net.SplitHostPort(address)
	return TryStart(t, Command{
		Program: "redis-server",
		Args: []string{"--bind", host, "--port", port, "--dir", t.TempDir(), "--save", "", "--appendonly", "no",
			"--requirepass", RedisPassword, "--enable-debug-command", "yes"},
		Ready: func() error { return redisReady(address) },
	})
}

func redisReady(address string) error {
	nc, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return err
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(time.Second))
	if _, err := fmt.Fprintf(nc, "AUTH %s\r\nPING\r\n", RedisPassword); err != nil {
		return err
	}
	r := bufio.NewReader(nc)
	for _, want := range []string{"+OK", "+PONG"} {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		if strings.TrimSpace(line) != want {
			return errors.New("redis: " + strings.TrimSpace(line))
		}
	}
	return nil
}
