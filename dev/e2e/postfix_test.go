package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks/report"
	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// postfix is a Postfix of its own, with mailboxes of ann and bob at postfix.test.
type postfix struct {
	t    *testing.T
	dir  string
	port string
}

const postfixMain = `compatibility_level = 3.6
queue_directory = %[1]s/spool
data_directory = %[1]s/data
maillog_file = %[1]s/log
maillog_file_prefixes = %[1]s
myhostname = mx.postfix.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
alias_maps =
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
virtual_mailbox_domains = postfix.test
virtual_mailbox_maps = inline:{ ann@postfix.test=ann/, bob@postfix.test=bob/ }
virtual_mailbox_base = %[1]s/mail
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
header_checks = regexp:%[1]s/header
mime_header_checks = regexp:%[1]s/mime
`

// newPostfix starts a Postfix with more settings. It holds the bounces of mtad until they are released.
func newPostfix(t *testing.T, more string) *postfix {
	t.Helper()
	testserver.Need(t, "postfix", "postcat", "postqueue", "postsuper")
	if os.Getuid() != 0 {
		t.Skip("Postfix needs root")
	}
	dir, err := os.MkdirTemp("", "sluice-postfix-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755)) // Postfix drops its privileges
	for _, sub := range []string{"conf", "spool", "data", "mail"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, sub), 0o755))
	}
	require.NoError(t, os.Chown(filepath.Join(dir, "mail"), 65534, 65534))
	require.NoError(t, exec.Command("chown", "postfix", filepath.Join(dir, "data")).Run())
	p := &postfix{t, dir, strconv.Itoa(testserver.FreePort(t))}
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	write("header", "/^From:.*mtad\\.test/ HOLD\n")
	write("mime", "/^Content-Type: (message\\/delivery-status)/ WARN\n")
	write("conf/main.cf", settingsOnce(fmt.Sprintf(postfixMain, dir), more))
	services, err := os.ReadFile("/etc/postfix/master.cf")
	require.NoError(t, err)
	var master strings.Builder
	for line := range strings.Lines(string(services)) {
		if fields := strings.Fields(line); len(fields) >= 8 && line[0] != '#' && line[0] != ' ' {
			if fields[0] == "smtp" && fields[1] == "inet" {
				fields[0] = "127.0.0.1:" + p.port
			}
			fields[4] = "n" // no chroot
			line = strings.Join(fields, " ") + "\n"
		}
		master.WriteString(line)
	}
	write("conf/master.cf", master.String())
	p.run("postfix", "-c", filepath.Join(dir, "conf"), "start")
	t.Cleanup(func() { p.run("postfix", "-c", filepath.Join(dir, "conf"), "stop") })
	mtatest.Eventually(t, "Postfix listens", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+p.port)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return p
}

// settingsOnce returns settings in which those of more take the place of others. Each process of Postfix warns of what
// is set twice, and hangs when more is logged than a socket holds before the process that writes the log has begun.
func settingsOnce(settings, more string) string {
	once := more
	for line := range strings.Lines(settings) {
		if name, _, _ := strings.Cut(line, " ="); !strings.Contains("\n"+more, "\n"+name+" =") {
			once += line
		}
	}
	return once
}

func (p *postfix) run(program string, args ...string) string {
	p.t.Helper()
	cmd := exec.Command(testserver.Find(program), args...)
	cmd.Env = append(os.Environ(), "MAIL_CONFIG="+filepath.Join(p.dir, "conf"))
	out, err := cmd.CombinedOutput()
	require.NoError(p.t, err, "%s: %s", program, out)
	return string(out)
}

// settings have mtad deliver everything to Postfix, and tell senders.
func (p *postfix) settings() mtatest.Settings {
	return mtatest.Settings{"smtp-sink-address": "127.0.0.1", "smtp-sink-port": p.port, "rabbitmq-dsn": "outbox"}
}

// mail waits for n mails in a mailbox, and returns them.
func (p *postfix) mail(user string, n int) []string {
	p.t.Helper()
	var files []string
	mtatest.Eventually(p.t, fmt.Sprintf("%d mails for %s", n, user), func() bool {
		files, _ = filepath.Glob(filepath.Join(p.dir, "mail", user, "new", "*"))
		return len(files) >= n
	})
	require.Len(p.t, files, n)
	var all []string
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(p.t, err)
		all = append(all, string(data))
	}
	return all
}

// parsed returns the one recipient that a report is about.
func parsed(t *testing.T, mail string) (*report.Delivery, report.Recipient) {
	t.Helper()
	r, err := report.Parse(strings.NewReader(mail), int64(len(mail)))
	require.NoError(t, err, "%s", mail)
	require.NotNil(t, r.Delivery, "%s", mail)
	require.Len(t, r.Delivery.Recipients, 1)
	return r.Delivery, r.Delivery.Recipients[0]
}

// TestPostfixReadsBounces has Postfix refuse a mail and take the bounce: its MIME parser finds the part for programs,
// its postcat shows the mail in its queue, and it delivers it to the sender's mailbox.
func TestPostfixReadsBounces(t *testing.T) {
	t.Parallel()
	p := newPostfix(t, "")
	d := mtatest.Start(t, p.settings())
	d.Submit(t, "ann@postfix.test", "nobody@postfix.test", "Subject: Hello\r\nMessage-ID: <1@shop.test>\r\n\r\nx\r\n")
	var held []string
	mtatest.Eventually(t, "Postfix holds the bounce", func() bool {
		held, _ = filepath.Glob(filepath.Join(p.dir, "spool/hold/*"))
		return len(held) == 1
	})
	d.Terminate(t)
	id := filepath.Base(held[0])
	require.Contains(t, p.run("postcat", "-qe", id), "sender: \n", "from nobody")
	shown := p.run("postcat", "-qhb", id)
	delivery, who := parsed(t, shown)
	require.Contains(t, delivery.ReportingMTA, "mtad.test")
	require.Equal(t, "nobody@postfix.test", who.Final)
	require.Equal(t, report.ActionFailed, who.Action)
	require.Equal(t, 550, who.Code)
	log, err := os.ReadFile(filepath.Join(p.dir, "log"))
	require.NoError(t, err)
	require.Contains(t, string(log), "warning: header Content-Type: message/delivery-status")
	p.run("postsuper", "-H", id)
	p.run("postqueue", "-f")
	require.Contains(t, p.mail("ann", 1)[0], "Return-Path: <>")
}

// TestPostfixTellsOfSuccess passes the wish to be told on to a Postfix that has DSN, which tells; of mail to one that
// has none, mtad says that it was relayed.
func TestPostfixTellsOfSuccess(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, more, reporting string
		action                report.Action
	}{
		{"with DSN", "", "mx.postfix.test", report.ActionDelivered},
		{"without", "smtpd_discard_ehlo_keywords = dsn\nheader_checks =\n", "mtad.test", report.ActionRelayed},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPostfix(t, c.more)
			d := mtatest.Start(t, p.settings())
			client := d.Talk(t)
			client.Command("EHLO client.test", 250)
			client.Command("MAIL FROM:<ann@postfix.test> ENVID=order7", 250)
			client.Command("RCPT TO:<bob@postfix.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;old@postfix.test", 250)
			client.Text("Subject: Hello\r\n\r\nx\r\n", 250)
			p.mail("bob", 1)
			told := p.mail("ann", 1)[0]
			delivery, who := parsed(t, told)
			require.Contains(t, delivery.ReportingMTA, c.reporting)
			require.Equal(t, "order7", delivery.EnvelopeID)
			require.Equal(t, c.action, who.Action)
			require.Equal(t, "bob@postfix.test", who.Final)
			require.Equal(t, "old@postfix.test", who.Original)
			require.True(t, bytes.HasPrefix([]byte(who.Status), []byte("2.")), who.Status)
			d.Terminate(t)
			mtatest.RequireEmpty(t, d.Queue)
			p.mail("ann", 1)
		})
	}
}
