package config

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
)

// finish works out what depends on several keys, and checks what only makes sense together. After errors it stays with
// what does not follow from them.
func (l *loader) finish() {
	l.older()
	l.refuse()
	l.derive()
	l.certificates()
	l.listeners()
	l.logins()
	l.scanners()
	l.files()
	if len(l.errs) == 0 && l.src.Check != nil {
		l.src.Check(l.cfg, l.complain)
	}
	if len(l.errs) == 0 {
		l.idle()
		l.pointless()
		l.unsupported()
	}
	l.report.settle()
}

// complain is what Sources.Check reports to.
func (l *loader) complain(name, want string, cause error) {
	k := l.table.byName[name]
	if k == nil {
		panic("config: there is no key " + name)
	}
	l.fail(&Error{Origin: l.origins[name], Key: name, Value: cut(k.masked(l.cfg)), Want: want, Err: cause})
}

// derive fills in the keys whose default is another key's value.
func (l *loader) derive() {
	c := l.cfg
	if len(c.ClusterAddress) == 0 && len(c.RabbitMQAddress) > 0 {
		c.ClusterAddress = c.RabbitMQAddress
		l.origins["cluster-address"] = Origin{Kind: Derived, Name: "rabbitmq-address"}
	}
	if c.DownloadProxy == "" && c.ProxyServer != "" {
		c.DownloadProxy = c.ProxyServer
		l.origins["download-proxy"] = Origin{Kind: Derived, Name: "proxy-server"}
	}
	if len(c.SMTPAuth) == 0 && c.SMTPUsername != "" && c.SMTPPassword != "" {
		c.SMTPAuth = []string{"hardcoded://" + escapeLogin(c.SMTPUsername) + ":" + escapeLogin(c.SMTPPassword)}
		l.origins["smtp-auth"] = Origin{Kind: Derived, Name: "smtp-username"}
	}
}

// escapeLogin writes a user name or password as hardcoded:// understands it.
func escapeLogin(s string) string {
	return strings.NewReplacer("%", "%25", ":", "%3A", ",", "%2C", "@", "%40", "/", "%2F").Replace(s)
}

// scanners refuses to start without the virus scanner that is asked for: with mail unscanned, nobody would notice.
func (l *loader) scanners() {
	if slices.Contains(l.cfg.SMTPCheck, "virus") && l.cfg.ClamAVAddress == "" {
		l.fail(&Error{Origin: l.origins["smtp-check"], Key: "smtp-check", Value: cut(strings.Join(l.cfg.SMTPCheck, ",")),
			Want: "clamav-address to be set too, to where clamd listens, for the check virus"})
	}
}

// certificates loads the pairs of certificate and key, and maps both cipher strings.
func (l *loader) certificates() {
	c := l.cfg
	l.pairs("smtp-certificate", c.SMTPCertificate, "smtp-key", c.SMTPKey)
	l.pair("www-certificate", c.WWWCertificate, "www-privatekey", c.WWWPrivateKey)
	l.ciphers("smtp-ciphers", c.SMTPCiphers)
	l.ciphers("www-ciphers", c.WWWCiphers)
}

// pairs loads each certificate with the key at its place.
func (l *loader) pairs(certName string, certs []string, keyName string, keys []string) {
	if len(certs) == 0 || len(keys) == 0 {
		l.pair(certName, strings.Join(certs, ","), keyName, strings.Join(keys, ","))
		return
	}
	if len(certs) != len(keys) {
		l.fail(&Error{Origin: l.origins[keyName], Key: keyName, Value: cut(strings.Join(keys, ",")),
			Want: "one key for each of the " + strconv.Itoa(len(certs)) + " files of " + certName + ", in their order"})
		return
	}
	for i := range certs {
		l.pair(certName, certs[i], keyName, keys[i])
	}
}

func (l *loader) pair(certName, certFile, keyName, keyFile string) {
	switch {
	case certFile == "" && keyFile == "":
		return
	case keyFile == "":
		l.fail(&Error{Origin: l.origins[certName], Key: certName, Value: cut(certFile), Want: keyName + " to be set too"})
		return
	case certFile == "":
		l.fail(&Error{Origin: l.origins[keyName], Key: keyName, Value: cut(keyFile), Want: certName + " to be set too"})
		return
	}
	readable := l.readable(certName, certFile, "a readable PEM file with a certificate")
	if !l.readable(keyName, keyFile, "a readable PEM file with a private key") || !readable {
		return
	}
	if _, err := tls.LoadX509KeyPair(certFile, keyFile); err != nil {
		l.fail(&Error{Origin: l.origins[certName], Key: certName, Value: cut(certFile),
			Want: "a PEM certificate that fits " + keyName + ": " + cut(keyFile), Err: err})
	}
}

// readable reports whether a file can be opened and is not a directory, and complains when not.
func (l *loader) readable(name, file, want string) bool {
	f, err := os.Open(file)
	if err == nil {
		defer f.Close()
		var info fs.FileInfo
		if info, err = f.Stat(); err == nil && info.IsDir() {
			err = errors.New("is a directory")
		}
	}
	if err != nil {
		l.fail(&Error{Origin: l.origins[name], Key: name, Value: cut(file), Want: want, Err: bareError(err)})
	}
	return err == nil
}

func (l *loader) ciphers(name, value string) {
	if value == "" {
		return
	}
	_, missing, err := ParseCiphers(value)
	if err != nil {
		l.warn(l.origins[name], "%s: %s: Go's own choice is used", name, err)
	}
	if len(missing) > 0 {
		l.warn(l.origins[name], "%s: Go's TLS has nothing for %s", name, cut(strings.Join(missing, ", ")))
	}
}

// listeners checks that every port is used once, and that ports with TLS have a certificate.
func (l *loader) listeners() {
	c := l.cfg
	l.apart("smtp-port", c.SMTPPort, "smtp-secure-port", c.SMTPSecurePort)
	l.apart("smtp-port", c.SMTPPort, "submission-port", c.SubmissionPort)
	l.apart("smtp-secure-port", c.SMTPSecurePort, "submission-port", c.SubmissionPort)
	l.apart("www-port", []int{c.WWWPort}, "www-secure-port", []int{c.WWWSecurePort})
	if len(c.SMTPSecurePort) > 0 && len(c.SMTPCertificate) == 0 && len(c.SMTPKey) == 0 {
		l.fail(&Error{Origin: l.origins["smtp-secure-port"], Key: "smtp-secure-port", Value: portsText(c.SMTPSecurePort),
			Want: "smtp-certificate and smtp-key to be set too"})
	}
	if len(c.SubmissionPort) > 0 && len(c.SMTPCertificate) == 0 && len(c.SMTPKey) == 0 {
		l.fail(&Error{Origin: l.origins["submission-port"], Key: "submission-port", Value: portsText(c.SubmissionPort),
			Want: "smtp-certificate and smtp-key to be set too, since TLS is required there and nobody could ever send"})
	}
	if len(c.SubmissionPort) > 0 && len(c.SMTPAuth) == 0 {
		l.fail(&Error{Origin: l.origins["submission-port"], Key: "submission-port", Value: portsText(c.SubmissionPort),
			Want: "smtp-auth to be set too, since logging in is required there and nobody could ever send"})
	}
	if c.WWWSecurePort > 0 && c.WWWCertificate == "" && c.WWWPrivateKey == "" {
		l.fail(&Error{Origin: l.origins["www-secure-port"], Key: "www-secure-port", Value: portsText([]int{c.WWWSecurePort}),
			Want: "www-certificate and www-privatekey to be set too"})
	}
}

// apart complains about a port that two keys name. Port 0 is no port in particular.
func (l *loader) apart(name string, some []int, otherName string, others []int) {
	for _, n := range others {
		if n > 0 && slices.Contains(some, n) {
			l.fail(&Error{Origin: l.origins[otherName], Key: otherName, Value: portsText([]int{n}),
				Want: "a port that " + name + " does not name too"})
			return
		}
	}
}

// logins checks the pairs of user and password.
func (l *loader) logins() {
	c := l.cfg
	l.login("smtp", c.SMTPUsername, c.SMTPPassword)
	l.login("smarthost", c.SmarthostUsername, c.SmarthostPassword)
	l.login("smtp-sink", c.SMTPSinkUsername, c.SMTPSinkPassword)
	if l.given("smtp-auth") && len(c.SMTPAuth) > 0 && c.SMTPUsername != "" {
		l.warn(l.origins["smtp-username"], "smtp-username is not used: smtp-auth takes its place")
	}
	if len(c.WWWAuth) > 0 && c.WWWPassword != "" {
		l.warn(l.origins["www-password"], "www-password is not used: www-auth takes its place")
	}
}

func (l *loader) login(prefix, user, password string) {
	userName, passwordName := prefix+"-username", prefix+"-password"
	if user != "" && password == "" {
		l.fail(&Error{Origin: l.origins[userName], Key: userName, Value: cut(user), Want: passwordName + " to be set too"})
	}
	if user == "" && password != "" {
		l.fail(&Error{Origin: l.origins[passwordName], Key: passwordName, Value: stars, Want: userName + " to be set too"})
	}
}

// files checks the other files that must be there.
func (l *loader) files() {
	if l.cfg.SMTPRoutes != "" {
		l.readable("smtp-routes", l.cfg.SMTPRoutes, "a readable file of domain:relay:port lines")
	}
}
