package testserver

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// RadiusSecret is what [FreeRADIUS] shares with clients on loopback.
const RadiusSecret = "testing123"

// RadiusConfig says what a FreeRADIUS does.
type RadiusConfig struct {
	// Users is the text of its users file, such as `alice Cleartext-Password := "secret"`.
	Users string
	// Require: requests without a Message-Authenticator are dropped.
	Require bool
	// Sign: replies carry a Message-Authenticator, as those of versions from 3.2.5 on always do.
	Sign bool
	// Loopback is "127.0.0.1" or "::1"; empty: the first.
	Loopback string
}

// FreeRADIUS starts a RADIUS server that checks passwords by PAP, and returns its address. A test that wants "::1" is
// skipped where there is no IPv6.
func FreeRADIUS(t testing.TB, c RadiusConfig) string {
	t.Helper()
	Need(t, "freeradius")
	if c.Loopback == "" {
		c.Loopback = "127.0.0.1"
	}
	needLoopback(t, c.Loopback)
	dir := shortTempDir(t)
	for _, name := range []string{"run", "log"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(dir, "users"), c.Users)
	log := filepath.Join(dir, "radius.log")
	_, port := onFreePort(t, func(port int) (*Process, error) {
		writeFile(t, log, "")
		writeFile(t, filepath.Join(dir, "radiusd.conf"), radiusConfig(dir, port, c))
		return TryStart(t, Command{Program: "freeradius", Args: []string{"-f", "-l", log, "-d", dir, "-n", "radiusd"},
			Ready: func() error {
				text, err := os.ReadFile(log)
				if err == nil && !strings.Contains(string(text), "Ready to process") {
					err = errors.New("its log so far: " + string(text))
				}
				return err
			}})
	})
	return net.JoinHostPort(c.Loopback, strconv.Itoa(port))
}

// needLoopback skips the test where the address is not one of the machine.
func needLoopback(t testing.TB, address string) {
	t.Helper()
	c, err := net.ListenPacket("udp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Skipf("not there: %s", address)
	}
	c.Close()
}

func radiusConfig(dir string, port int, c RadiusConfig) string {
	sign, require, family := "", "no", "ipaddr"
	if c.Sign {
		sign = "update reply {\n Message-Authenticator := 0x00\n}"
	}
	if c.Require {
		require = "yes"
	}
	if strings.Contains(c.Loopback, ":") {
		family = "ipv6addr"
	}
	return strings.NewReplacer("DIR", dir, "PORT", strconv.Itoa(port), "REQUIRE", require, "FAMILY", family,
		"LOOPBACK", c.Loopback, "SIGN", sign, "SECRET", RadiusSecret).Replace(radiusdConfig)
}

const radiusdConfig = `prefix = /usr
exec_prefix = /usr
sysconfdir = DIR
localstatedir = DIR
logdir = DIR/log
raddbdir = DIR
run_dir = DIR/run
libdir = /usr/lib/freeradius
pidfile = DIR/run/radiusd.pid
max_request_time = 10
max_requests = 4096
hostname_lookups = no
log {
  colourise = no
  auth = no
}
security {
  max_attributes = 200
  reject_delay = 0
  status_server = yes
  allow_vulnerable_openssl = yes
}
client loopback {
  FAMILY = LOOPBACK
  secret = SECRET
  require_message_authenticator = REQUIRE
}
thread pool {
  start_servers = 2
  max_servers = 4
  min_spare_servers = 1
  max_spare_servers = 2
}
modules {
  pap {
    normalise = yes
  }
  files {
    usersfile = DIR/users
    key = "%{User-Name}"
  }
}
server default {
  listen {
    type = auth
    FAMILY = LOOPBACK
    port = PORT
  }
  authorize {
    files
    pap
  }
  authenticate {
    Auth-Type PAP {
      pap
    }
  }
  post-auth {
    SIGN
    Post-Auth-Type REJECT {
      SIGN
    }
  }
}
`
