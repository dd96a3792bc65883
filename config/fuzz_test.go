package config

import (
	"bytes"
	"testing"
)

// FuzzFile reads any bytes as a file: it ends without panic, complains in bounds, and names lines that exist.
func FuzzFile(f *testing.F) {
	f.Add([]byte("smtp-port: 25,2525,1024-1026\nsmtp-range 10.0.0.0/8;::1\n# comment\n\nsmtp-auth=hardcoded://a:b\n"))
	f.Add([]byte("rabbitmq-address: amqp://u:p@h1;h2/v,amqps://h3\nstorage-address: s3://a:s@eu/b?x=y\nwebhook-url: https://t@h/?key=v\n"))
	f.Add([]byte("\xef\xbb\xbfsmtp-maxsize: 1.5GiB\r\nretry-interval: 600,5m\r\ndns-servers: [::1]:53\r\nunknown\x00"))
	f.Add([]byte("download-whitelist: 192.168.0.30/32:80,[fd00::/8]:443\nspam-reject-score: 7.5\nsmtp-ciphers: HIGH:!aNULL\nerror-log: /e\nwww-log-directory: /d\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l := newLoader(Sources{})
		l.file("fuzz", data, nil)
		// Certificates and routes would open files of any name.
		l.cfg.SMTPCertificate, l.cfg.SMTPKey = nil, nil
		l.cfg.WWWCertificate, l.cfg.WWWPrivateKey, l.cfg.SMTPRoutes = "", "", ""
		l.finish()
		lines := bytes.Count(data, []byte("\n")) + 1
		for _, err := range l.errs {
			for _, e := range Errors(err) {
				if e.Line > lines {
					t.Fatalf("line %d of %d: %v", e.Line, lines, e)
				}
			}
		}
		if n := len(l.errs) + len(l.report.Warnings); n > 3*maxProblems+len(l.table.names) {
			t.Fatalf("%d complaints", n)
		}
		if len(l.errs) > 0 {
			return
		}
		again := new(Config)
		for _, k := range l.table.keys {
			text := k.text(l.cfg)
			if err := k.set(again, text); err != nil || k.text(again) != text {
				t.Fatalf("%s: %q reads back as %q, %v", k.Name, text, k.text(again), err)
			}
		}
	})
}

// FuzzArgs reads any command line.
func FuzzArgs(f *testing.F) {
	f.Add("--smtp-port", "25", "a@b.c")
	f.Add("--spool-remove", "-ti", "-f<>")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		if _, err := ParseArgs([]string{a, b, c}); err != nil && len(Errors(err)) == 0 {
			t.Fatalf("not an *Error: %v", err)
		}
	})
}

// FuzzValues gives a value to every key: what is taken is written in a form that reads back as the same.
func FuzzValues(f *testing.F) {
	for _, k := range Keys() {
		f.Add(k.Default)
	}
	for _, s := range []string{"1.5GiB", "5m", "1-3,7", "fd00::/8;1.2.3.4", "[::1]:53", "amqp://u:p@h1;h2/v, amqps://h3",
		"hardcoded://a:b,c", "s3://a:b@c/d?secret=e", "off", "NEVER"} {
		f.Add(s)
	}
	keys := Keys()
	f.Fuzz(func(t *testing.T, value string) {
		cfg, again := new(Config), new(Config)
		for _, k := range keys {
			_ = k.hide(value)
			if k.set(cfg, value) != nil {
				continue
			}
			text := k.text(cfg)
			if err := k.set(again, text); err != nil || k.text(again) != text {
				t.Fatalf("%s: %q is %q, which reads back as %q, %v", k.Name, value, text, k.text(again), err)
			}
		}
	})
}
