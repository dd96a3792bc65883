package testserver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// DovecotServer is a running Dovecot, with the users jo@example.test and ann@example.test. The password of each is
// "secret-" and the user's name.
type DovecotServer struct {
	LMTP       string // its address
	LMTPSocket string // the path of its socket
	IMAP, POP3 string // addresses
	// Mail is the directory of the Maildirs: one at example.test/jo, one at example.test/ann. Dovecot works in them as
	// nobody.
	Mail    string
	Process *Process
}

// Dovecot starts Dovecot, which takes root. It makes the Maildir of a user when it needs it. Mail to jo+x goes into the
// folder x.
func Dovecot(t testing.TB) DovecotServer {
	t.Helper()
	Need(t, "dovecot")
	if os.Geteuid() != 0 {
		t.Skip("dovecot takes root to start")
	}
	dir := shortTempDir(t)
	d := DovecotServer{Mail: filepath.Join(dir, "mail"), LMTPSocket: filepath.Join(dir, "lmtp")}
	if err := errors.Join(os.Mkdir(d.Mail, 0o777), os.Chmod(d.Mail, 0o777), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	var users strings.Builder
	for _, user := range []string{"jo", "ann"} {
		fmt.Fprintf(&users, "%[1]s@example.test:{PLAIN}secret-%[1]s::::::\n", user)
	}
	writeFile(t, filepath.Join(dir, "users"), users.String())
	d.Process, _ = onFreePort(t, func(port int) (*Process, error) {
		d.LMTP, d.IMAP, d.POP3 = loopback(port), loopback(FreePort(t)), loopback(FreePort(t))
		listener := func(service, name, address string) string {
			host, port, _ := strings.Cut(address, ":")
			return fmt.Sprintf("service %s {\n inet_listener %s {\n  address = %s\n  port = %s\n }\n inet_listener %ss {\n  port = 0\n }\n}\n",
				service, name, host, port, name)
		}
		conf := filepath.Join(dir, "dovecot.conf")
		writeFile(t, conf, strings.NewReplacer("DIR", dir).Replace(dovecotConf)+
			listener("lmtp", "lmtp", d.LMTP)+listener("imap-login", "imap", d.IMAP)+listener("pop3-login", "pop3", d.POP3))
		return TryStart(t, Command{Program: "dovecot", Args: []string{"-F", "-c", conf},
			Ready: func() error {
				return errors.Join(says("tcp", d.LMTP, "LHLO test\r\n", "220")(),
					says("tcp", d.IMAP, "", "OK")(), says("tcp", d.POP3, "", "+OK")())
			}})
	})
	return d
}

// dovecotConf is the configuration but for the ports.
const dovecotConf = `
base_dir = DIR/run
state_dir = DIR/run
instance_name = test
protocols = imap pop3 lmtp
listen = 127.0.0.1
log_path = /dev/stderr
ssl = no
disable_plaintext_auth = no
auth_username_format = %Lu
mail_location = maildir:DIR/mail/%d/%n
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
first_valid_gid = 1
recipient_delimiter = +
lmtp_save_to_detail_mailbox = yes
lda_mailbox_autocreate = yes
passdb {
 driver = passwd-file
 args = scheme=PLAIN username_format=%u DIR/users
}
userdb {
 driver = passwd-file
 args = username_format=%u DIR/users
 default_fields = uid=nobody gid=nogroup home=DIR/mail/%d/%n
}
service stats {
 client_limit = 200
}
service lmtp {
 unix_listener DIR/lmtp {
  mode = 0666
 }
}
`
