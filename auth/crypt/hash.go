package crypt

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-crypt/crypt/algorithm"
	"github.com/go-crypt/crypt/algorithm/argon2"
	"github.com/go-crypt/crypt/algorithm/bcrypt"
	"github.com/go-crypt/crypt/algorithm/md5crypt"
	"github.com/go-crypt/crypt/algorithm/scrypt"
	"github.com/go-crypt/crypt/algorithm/shacrypt"
	"github.com/go-crypt/x/yescrypt"
)

// ErrLocked is the answer of Supported to what begins with ! or *, which passwd(5) writes for accounts that nobody can
// log in to with a password.
var ErrLocked = errors.New("crypt: the account is locked")

// maxHash is longer than any hash that mkpasswd, openssl or argon2 write.
const maxHash = 512

// A kind is a way to hash passwords.
type kind struct {
	name   string
	prefix string
	check  func(rest string) error // of what follows the prefix
	decode func(string) (algorithm.Digest, error)
}

func kinds() [8]kind {
	return [8]kind{
		{"SHA-512", "$6$", func(s string) error { return checkSHA(s, 86) }, shacrypt.Decode},
		{"SHA-256", "$5$", func(s string) error { return checkSHA(s, 43) }, shacrypt.Decode},
		{"yescrypt", "$y$", checkYescrypt, scrypt.Decode},
		{"bcrypt", "$2b$", checkBcrypt, bcrypt.Decode},
		{"bcrypt", "$2a$", checkBcrypt, bcrypt.Decode},
		{"bcrypt", "$2y$", checkBcrypt, bcrypt.Decode},
		{"MD5", "$1$", checkMD5, md5crypt.Decode},
		{"Argon2id", "$argon2id$", checkArgon2, argon2.Decode},
	}
}

// kindOf returns the kind of a hash, and a zero kind if it is not known.
func kindOf(hash string) kind {
	for _, k := range kinds() {
		if strings.HasPrefix(hash, k.prefix) {
			return k
		}
	}
	return kind{}
}

// Supported returns nil when passwords can be verified against hash, ErrLocked when hash is that of a locked account,
// and otherwise an error that says what is wrong with it and what is expected, without quoting it.
func Supported(hash string) error {
	_, err := decode(hash)
	return err
}

func decode(hash string) (algorithm.Digest, error) {
	switch {
	case hash == "":
		return nil, errors.New("crypt: the hash is empty")
	case hash[0] == '!' || hash[0] == '*':
		return nil, ErrLocked
	case len(hash) > maxHash:
		return nil, fmt.Errorf("crypt: the hash has %d characters, at most %d are expected", len(hash), maxHash)
	}
	k := kindOf(hash)
	if k.name == "" {
		return nil, unknown(hash)
	}
	if err := k.check(hash[len(k.prefix):]); err != nil {
		return nil, fmt.Errorf("crypt: broken %s hash: %w", k.name, err)
	}
	digest, err := k.decode(hash)
	if err != nil { // its text quotes the hash
		return nil, fmt.Errorf("crypt: broken %s hash", k.name)
	}
	return digest, nil
}

func unknown(hash string) error {
	const wanted = "expected is one that begins with $6$, $5$, $y$, $2a$, $2b$, $2y$, $1$ or $argon2id$"
	if hash[0] != '$' {
		return errors.New("crypt: plain text and DES are not taken, " + wanted)
	}
	return errors.New("crypt: a hash of this kind is not taken, " + wanted)
}

// The costs beyond these would keep a processor busy for more than a few seconds, or take more than a gigabyte.
const (
	maxRounds     = 10_000_000
	maxBcrypt     = 16
	maxKiB        = 1 << 20
	maxKiBPasses  = 1 << 22
	maxArgonLanes = 64
)

// checkSHA looks at [rounds=N$]salt$key. glibc clamps other numbers of rounds, so that they would name another hash.
func checkSHA(s string, key int) error {
	if rest, found := strings.CutPrefix(s, "rounds="); found {
		digits, after, found := strings.Cut(rest, "$")
		if !found {
			return errors.New("there is no salt")
		}
		if _, err := number(digits, 1000, maxRounds); err != nil {
			return fmt.Errorf("rounds: %w", err)
		}
		s = after
	}
	return checkSaltKey(s, 16, key)
}

func checkMD5(s string) error { return checkSaltKey(s, 8, 22) }

func checkSaltKey(s string, salt, key int) error {
	gotSalt, gotKey, found := strings.Cut(s, "$")
	switch {
	case !found:
		return errors.New("there is no key after the salt")
	case len(gotSalt) == 0 || len(gotSalt) > salt:
		return fmt.Errorf("the salt has %d characters, 1 to %d are expected", len(gotSalt), salt)
	case strings.ContainsAny(gotSalt, " \t\r\n:*!,="):
		return errors.New("the salt has a character that no salt has")
	}
	return checkKey(gotKey, key)
}

func checkKey(key string, length int) error {
	if len(key) != length {
		return fmt.Errorf("the key has %d characters, %d are expected: is the line cut short?", len(key), length)
	}
	if !all64(key) {
		return errors.New("the key has a character that no key has")
	}
	return nil
}

// checkYescrypt looks at jNr$salt$key, the form that libxcrypt makes: default flags, N and r in one character each.
func checkYescrypt(s string) error {
	fields := strings.Split(s, "$")
	if len(fields) != 3 {
		return fmt.Errorf("it has %d fields, 3 are expected", len(fields))
	}
	settings, salt, key := fields[0], fields[1], fields[2]
	if len(settings) != 3 || settings[0] != 'j' || !all64(settings) {
		return errors.New("its settings are not of the form jNr that mkpasswd writes")
	}
	logN, r := index64(settings[1])+1, index64(settings[2])+1
	if logN < 8 || logN > 30 || r<<logN>>3 > maxKiB {
		return fmt.Errorf("it asks for 2^%d blocks of %d bytes, up to %d MiB are granted", logN, 128*r, maxKiB>>10)
	}
	if len(salt) == 0 || len(salt) > 86 || yescrypt.Decode64([]byte(salt)) == nil {
		return errors.New("the salt is not one")
	}
	return checkKey(key, 43)
}

// checkBcrypt looks at cost$ and 53 characters of salt and key.
func checkBcrypt(s string) error {
	cost, rest, found := strings.Cut(s, "$")
	if !found || len(cost) != 2 {
		return errors.New("there is no cost of two digits")
	}
	if _, err := number(strings.TrimPrefix(cost, "0"), 4, maxBcrypt); err != nil {
		return fmt.Errorf("cost: %w", err)
	}
	return checkKey(rest, 53)
}

// checkArgon2 looks at v=19$m=KiB,t=passes,p=lanes$salt$key. A short key would match many passwords.
func checkArgon2(s string) error {
	fields := strings.Split(s, "$")
	if len(fields) != 4 || fields[0] != "v=19" {
		return errors.New("expected is v=19$m=…,t=…,p=…$salt$key")
	}
	costs := strings.Split(fields[1], ",")
	if len(costs) != 3 {
		return errors.New("expected are the three costs m, t and p")
	}
	var values [3]int
	for i, limit := range []struct {
		name string
		most int
	}{{"m=", maxKiB}, {"t=", maxKiBPasses}, {"p=", maxArgonLanes}} {
		digits, found := strings.CutPrefix(costs[i], limit.name)
		if !found {
			return fmt.Errorf("%s is missing", limit.name)
		}
		n, err := number(digits, 1, limit.most)
		if err != nil {
			return fmt.Errorf("%s %w", limit.name, err)
		}
		values[i] = n
	}
	if memory, passes, lanes := values[0], values[1], values[2]; memory < 8*lanes || memory*passes > maxKiBPasses {
		return fmt.Errorf("%d KiB, %d passes and %d lanes do not go together or cost too much", memory, passes, lanes)
	}
	if len(fields[2]) < 11 { // 8 bytes (RFC 9106, section 3.1)
		return errors.New("the salt is too short")
	}
	if len(fields[3]) < 22 { // 16 bytes
		return errors.New("the key is too short: is the line cut?")
	}
	return nil
}

// number reads a decimal number without sign or leading zeros.
func number(digits string, least, most int) (int, error) {
	n, err := strconv.Atoi(digits)
	if err != nil || strconv.Itoa(n) != digits || n < least || n > most {
		return 0, fmt.Errorf("a number from %d to %d is expected", least, most)
	}
	return n, nil
}

// alphabet is that of crypt(3), in the order of its values.
const alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func index64(c byte) int { return strings.IndexByte(alphabet, c) }

func all64(s string) bool {
	for i := range len(s) {
		if index64(s[i]) < 0 {
			return false
		}
	}
	return true
}
