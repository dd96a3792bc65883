package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
)

// QueueDir is the directory of the embedded queue, which large mails on their way in, and copies of the settings, lie
// in even where the queue is a broker's.
func (c *Config) QueueDir() string { return strings.TrimPrefix(c.QueueAddress, "disk://") }

// DropDirectory is where a file becomes a mail: spool-directory, or one in QueueDir, which the command line uses when
// there is no other.
func (c *Config) DropDirectory() string {
	return cmp.Or(c.SpoolDirectory, filepath.Join(c.QueueDir(), "drop"))
}

// LocalDomain is appended to addresses without a domain that users and programs of this machine give: default-domain,
// or our name.
func (c *Config) LocalDomain() string { return cmp.Or(c.DefaultDomain, c.HELO()) }

// SettingsCache is the file that stands in for the settings database while it is down at a start. Each database has its
// own, so that one never answers for another. Removing it says that an empty database is meant.
func (c *Config) SettingsCache() string {
	sum := sha256.Sum256([]byte(c.DatabaseAddress))
	return filepath.Join(c.QueueDir(), "settings-"+hex.EncodeToString(sum[:8])+".cache")
}

// HELO is our name towards other servers: smtp-hostname, or the machine's.
func (c *Config) HELO() string {
	machine, _ := os.Hostname()
	return cmp.Or(c.SMTPHostname, machine, "localhost")
}
