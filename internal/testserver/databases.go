package testserver

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// DatabasePassword is that of the user mta, who owns all databases of a [DatabaseServer].
const DatabasePassword = "pass-of-mta"

// DatabaseServer is a running PostgreSQL or MariaDB.
type DatabaseServer struct {
	*Process
	// Address is host:port.
	Address string

	scheme string
	admin  []string // the command that runs SQL as its last argument
	made   atomic.Int64
}

// Database makes an empty database and returns its URL: postgresql://mta:PASSWORD@127.0.0.1:PORT/NAME or mysql://….
func (s *DatabaseServer) Database(t testing.TB) string {
	t.Helper()
	name := "db" + strconv.FormatInt(s.made.Add(1), 10)
	if s.scheme == "mysql" {
		s.Exec(t, "CREATE DATABASE "+name)
		s.Exec(t, "GRANT ALL ON "+name+".* TO mta@'127.0.0.1'")
	} else {
		s.Exec(t, "CREATE DATABASE "+name+" OWNER mta")
	}
	return fmt.Sprintf("%s://mta:%s@%s/%s", s.scheme, DatabasePassword, s.Address, name)
}

// Exec runs one statement as the server's administrator, outside any of the databases that Database made.
func (s *DatabaseServer) Exec(t testing.TB, statement string) {
	t.Helper()
	Run(t, s.admin[0], s.command(statement)...)
}

// command returns the arguments of the administrator's program for one statement.
func (s *DatabaseServer) command(statement string) []string {
	return append(s.admin[1:len(s.admin):len(s.admin)], statement)
}

// Postgres starts PostgreSQL with a user mta whose password is asked for. What it writes is not synced to the disk.
func Postgres(t testing.TB) *DatabaseServer {
	t.Helper()
	Need(t, "postgres", "initdb", "psql", "setpriv")
	dir := serverDir(t, "postgres")
	data := filepath.Join(dir, "data")
	initdb := asUser("postgres", Find("initdb"), "-D", data, "-U", "postgres", "--auth-local=trust",
		"--auth-host=scram-sha-256",
		"-N", "-E", "UTF8", "--locale=C.UTF-8")
	Run(t, initdb[0], initdb[1:]...)
	s := &DatabaseServer{scheme: "postgresql"}
	var port int
	s.Process, port = onFreePort(t, func(port int) (*Process, error) {
		s.admin = []string{Find("psql"), "-q", "-X", "-h", dir, "-p", strconv.Itoa(port), "-U", "postgres", "-c"}
		command := asUser("postgres", Find("postgres"), "-D", data, "-k", dir, "-p", strconv.Itoa(port),
			"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "shared_buffers=16MB")
		return TryStart(t, Command{Program: command[0], Args: command[1:], Ready: func() error {
			return exec.Command(s.admin[0], s.command("SELECT 1")...).Run()
		}})
	})
	s.Address = loopback(port)
	stopBefore(t, s.Process, syscall.SIGQUIT)
	s.Exec(t, "CREATE ROLE mta LOGIN PASSWORD '"+DatabasePassword+"'")
	return s
}

// MariaDB starts MariaDB with a user mta who has a password. What it writes is not synced to the disk.
func MariaDB(t testing.TB) *DatabaseServer {
	t.Helper()
	Need(t, "mariadbd", "mariadb-install-db", "mariadb", "setpriv")
	dir := serverDir(t, "mysql")
	data, socket := filepath.Join(dir, "data"), filepath.Join(dir, "sock")
	install := asUser("mysql", Find("mariadb-install-db"), "--no-defaults", "--datadir="+data,
		"--auth-root-authentication-method=normal",
		"--skip-test-db", "--skip-name-resolve")
	Run(t, install[0], install[1:]...)
	s := &DatabaseServer{scheme: "mysql", admin: []string{Find("mariadb"), "--no-defaults", "--socket=" + socket,
		"--user=root", "-e"}}
	var port int
	s.Process, port = onFreePort(t, func(port int) (*Process, error) {
		command := asUser("mysql", Find("mariadbd"), "--no-defaults", "--datadir="+data, "--socket="+socket,
			"--port="+strconv.Itoa(port),
			"--bind-address=127.0.0.1", "--pid-file="+filepath.Join(dir, "pid"), "--innodb-buffer-pool-size=32M",
			"--skip-name-resolve",
			"--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--innodb-doublewrite=0")
		return TryStart(t, Command{Program: command[0], Args: command[1:], Ready: func() error {
			return exec.Command(s.admin[0], s.command("SELECT 1")...).Run()
		}})
	})
	s.Address = loopback(port)
	s.Exec(t, "CREATE USER mta@'127.0.0.1' IDENTIFIED BY '"+DatabasePassword+"'")
	return s
}

// stopBefore ends a server by a signal of its own before the test kills it, so that it gives back what the kernel
// keeps.
func stopBefore(t testing.TB, p *Process, sig os.Signal) {
	t.Cleanup(func() {
		_ = p.Signal(sig)
		select {
		case <-p.Done():
		case <-time.After(5 * time.Second):
		}
	})
}

// serverDir makes a temporary directory that belongs to the user a server runs as.
func serverDir(t testing.TB, name string) string {
	t.Helper()
	dir := shortTempDir(t)
	if os.Geteuid() != 0 {
		return dir
	}
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return dir
}

// asUser makes root run a command as another user: database servers refuse to be root. The kernel forgets with the
// change of user that the server is to die with the test, so that has to be said again.
func asUser(name string, command ...string) []string {
	if os.Geteuid() != 0 {
		return command
	}
	return append([]string{"setpriv", "--reuid=" + name, "--regid=" + name, "--clear-groups", "--pdeathsig=KILL", "--"},
		command...)
}
