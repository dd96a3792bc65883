package testserver

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
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
	_, _ = OnFreePort(t, func(port int) (*Process, error) {
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
