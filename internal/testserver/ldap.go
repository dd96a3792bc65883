package testserver

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluicemail/sluice/internal/smtptest"
)

// LDAPBase is the suffix of the tree that [OpenLDAP] serves.
const LDAPBase = "dc=example,dc=com"

// LDAPServer is a slapd that may be stopped and started again.
type LDAPServer struct {
	Address    string // speaks LDAP, with StartTLS
	TLSAddress string // speaks LDAP over TLS from the start
	CAFile     string // the certificate to trust

	t       testing.TB
	command Command
	process *Process
}

// OpenLDAP starts slapd with the entry [LDAPBase] and those of ldif below it. Anybody may bind with a user's password;
// who is not bound may read nothing of importance.
func OpenLDAP(t testing.TB, ldif string) *LDAPServer {
	t.Helper()
	Need(t, "slapd", "slapadd")
	dir := shortTempDir(t)
	s := &LDAPServer{t: t, CAFile: filepath.Join(dir, "cert.pem")}
	if _, err := smtptest.WriteSelfSigned(s.CAFile, filepath.Join(dir, "key.pem")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "slapd.conf")
	writeFile(t, conf, strings.ReplaceAll(slapdConfig, "DIR", dir))
	writeFile(t, filepath.Join(dir, "init.ldif"),
		"dn: "+LDAPBase+"\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n\n"+ldif)
	Run(t, "slapadd", "-q", "-f", conf, "-l", filepath.Join(dir, "init.ldif"))
	s.process, _ = onFreePort(t, func(port int) (*Process, error) {
		s.Address, s.TLSAddress = loopback(port), loopback(FreePort(t))
		s.command = Command{Program: "slapd", Ready: func() error { return dialable(s.Address, s.TLSAddress) },
			Args: []string{"-f", conf, "-h", "ldap://" + s.Address + "/ ldaps://" + s.TLSAddress + "/", "-d", "0"}}
		return TryStart(t, s.command)
	})
	return s
}

// Stop ends the server in an orderly way, which closes its connections.
func (s *LDAPServer) Stop() {
	s.t.Helper()
	if err := s.process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	select {
	case <-s.process.Done():
	case <-time.After(20 * time.Second):
		s.t.Fatal("slapd does not stop")
	}
}

// Start starts a stopped server again, on the ports it had.
func (s *LDAPServer) Start() {
	s.t.Helper()
	s.process = Start(s.t, s.command)
}

// LDAPUser is the LDIF of a person uid=name below [LDAPBase]. The name is put into the DN as it is: escape it.
func LDAPUser(name, password string) string {
	return fmt.Sprintf("dn: uid=%s,%s\nobjectClass: inetOrgPerson\ncn: x\nsn: x\nuserPassword: %s\n\n", name, LDAPBase,
		password)
}

const slapdConfig = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile DIR/pid
argsfile DIR/args
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile DIR/cert.pem
TLSCertificateKeyFile DIR/key.pem
database mdb
maxsize 10485760
suffix "` + LDAPBase + `"
rootdn "cn=admin,` + LDAPBase + `"
directory DIR/db
dbnosync
index uid eq
access to attrs=userPassword by anonymous auth by * none
access to * by users read by * none
`

// dialable reports whether something listens at each address.
func dialable(addresses ...string) error {
	for _, address := range addresses {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return err
		}
		c.Close()
	}
	return nil
}
