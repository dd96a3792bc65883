package crypt_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/auth/crypt"
)

const password = "sesam, öffne: dich*"

// TestRealHashes checks hashes that the usual programs have just made.
func TestRealHashes(t *testing.T) {
	for _, command := range []string{
		"mkpasswd -m sha-512 -s",
		"mkpasswd -m sha-512 -R 1000 -s",
		"mkpasswd -m sha-512 -R 20000 -s",
		"mkpasswd -m sha-256 -s",
		"mkpasswd -m yescrypt -s",
		"mkpasswd -m yescrypt -R 1 -s",
		"mkpasswd -m yescrypt -R 3 -s",
		"mkpasswd -m yescrypt -R 6 -s",
		"mkpasswd -m bcrypt -R 4 -s",
		"mkpasswd -m bcrypt-a -s",
		"mkpasswd -m md5 -s",
		"openssl passwd -6 -stdin",
		"openssl passwd -5 -stdin",
		"openssl passwd -1 -stdin",
		"openssl passwd -6 -salt 0123456789abcdef -stdin",
		"argon2 some-salt-12 -id -e",
		"argon2 some-salt-12 -id -e -t 1 -m 12 -p 4 -l 24",
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			hash := run(t, password, strings.Fields(command)...)
			require.NoError(t, crypt.Supported(hash), hash)
			var v crypt.Verifier
			for _, c := range []struct {
				password string
				want     bool
			}{
				{password, true}, {password + " ", false}, {"", false}, {password + "\x00", false},
			} {
				matches, err := v.Verify(t.Context(), hash, c.password)
				require.NoError(t, err)
				require.Equal(t, c.want, matches, "%s with password %q", hash, c.password)
			}
		})
	}
}

// run gives a program its input, without a line break for argon2 alone, which takes all of it.
func run(t *testing.T, input string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(args[0]); err != nil {
		if os.Getenv("SLUICE_REQUIRE_SERVERS") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	if args[0] != "argon2" {
		input += "\n"
	}
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

// These are hashes of "x" and of the empty password.
const (
	sha512 = "$6$rounds=1000$MuZ.ZTdlRJ0zHPxS$pPopUkYjchlws6NvBIxi20/HdCH7ZLzo1WMD.Cj/BMfWwBDzfJkm3Tol.QNSwyg/4H2WjHyhRcNQYGB4qB0hl."
	yes    = "$y$j9T$CR5TWxyWsX7DGdP1iW0dJ/$8KWpNAykFWOVKC8MZf6Dw5KOcJlb.89INKW0wHT37TD"
	bcrypt = "$2b$05$hLn5ApyBIgFYDGpYvTBZV.CoM/AuVK87ES0uOdGcWC3Mr97tB3Kq6"
	argon  = "$argon2id$v=19$m=4096,t=3,p=1$c29tZS1zYWx0$GpZ3sK/oH9p7VIiV56G/64Zo/8GaUw434IimaPqxwCo"
)

func TestVariantsOfBcrypt(t *testing.T) {
	for _, version := range []string{"$2a$", "$2b$", "$2y$"} {
		require.NoError(t, crypt.Supported(version+bcrypt[4:]))
	}
	require.ErrorContains(t, crypt.Supported("$2x$"+bcrypt[4:]), "$2y$")
}

func TestSupportedRefuses(t *testing.T) {
	for _, c := range []struct{ name, hash, says string }{
		{"nothing", "", "empty"},
		{"plain text", "sesam", "plain text"},
		{"DES", "u/4QMF6RpsOso", "DES"},
		{"shadow's x", "x", "plain text"},
		{"another kind", "$7$CU..../....ZakRpzggkRuGMCc71waL80$0Whmd1/cACfyC2JPJ9jhZ01UEvSbLJnum8RmAoqxvj5", "kind"},
		{"Apache's MD5", "$apr1$abcdefgh$0123456789012345678901", "kind"},
		{"no key", "$6$", "key"},
		{"cut", sha512[:len(sha512)-1], "cut"},
		{"longer", sha512 + "a", "characters"},
		{"no salt", "$6$$" + strings.Repeat("a", 86), "salt"},
		{"long salt", "$6$01234567890123456$" + strings.Repeat("a", 86), "salt"},
		{"few rounds", strings.Replace(sha512, "1000", "999", 1), "rounds"},
		{"many rounds", strings.Replace(sha512, "1000", "10000001", 1), "rounds"},
		{"rounds with a zero", strings.Replace(sha512, "1000", "01000", 1), "rounds"},
		{"rounds without number", strings.Replace(sha512, "1000", "many", 1), "rounds"},
		{"only rounds", "$6$rounds=1000", "salt"},
		{"a fourth field", sha512 + "$a", "characters"},
		{"key with a space", sha512[:len(sha512)-1] + " ", "character"},
		{"long MD5 salt", "$1$123456789$0123456789012345678901", "salt"},
		{"dear yescrypt", strings.Replace(yes, "j9T", "jGT", 1), "MiB"},
		{"yescrypt of no size", strings.Replace(yes, "j9T", "j.T", 1), "MiB"},
		{"yescrypt with settings of five", strings.Replace(yes, "j9T", "j9T5.", 1), "settings"},
		{"yescrypt without salt", "$y$j9T$$" + yes[30:], "salt"},
		{"yescrypt with a bad salt", "$y$j9T$a$" + yes[30:], ""},
		{"yescrypt cut", yes[:40], "cut"},
		{"dear bcrypt", strings.Replace(bcrypt, "$05$", "$17$", 1), "cost"},
		{"cheap bcrypt", strings.Replace(bcrypt, "$05$", "$03$", 1), "cost"},
		{"bcrypt without cost", strings.Replace(bcrypt, "$05$", "$5$", 1), "cost"},
		{"dear Argon2", strings.Replace(argon, "m=4096", "m=2000000", 1), "m="},
		{"slow Argon2", strings.Replace(argon, "t=3", "t=100000", 1), "cost"},
		{"Argon2 without passes", strings.Replace(argon, "t=3", "t=0", 1), "t="},
		{"Argon2 of many lanes", strings.Replace(argon, "p=1", "p=65", 1), "p="},
		{"Argon2 with little memory", strings.Replace(argon, "m=4096", "m=7", 1), "KiB"},
		{"old Argon2", strings.Replace(argon, "v=19", "v=16", 1), "v=19"},
		{"Argon2 with a short key", argon[:60], "short"},
		{"Argon2 out of order", strings.Replace(argon, "m=4096,t=3", "t=3,m=4096", 1), "m="},
		{"Argon2 with a key that is none", argon[:len(argon)-1] + "!", "broken"},
		{"endless", "$6$" + strings.Repeat("a", 100_000), "characters"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := crypt.Supported(c.hash)
			require.ErrorContains(t, err, c.says)
			require.NotErrorIs(t, err, crypt.ErrLocked)
			if len(c.hash) > 8 {
				require.NotContains(t, err.Error(), c.hash[len(c.hash)-8:], "the error quotes the hash")
			}
			var v crypt.Verifier
			matches, err := v.Verify(t.Context(), c.hash, "x")
			require.Error(t, err)
			require.False(t, matches)
		})
	}
	require.NoError(t, crypt.Supported(argon))
}

func TestLocked(t *testing.T) {
	for _, hash := range []string{"!", "*", "!!", "!" + sha512, "*LK*"} {
		require.ErrorIs(t, crypt.Supported(hash), crypt.ErrLocked)
	}
}

func TestLongPasswordsDoNotMatchAndCostNothing(t *testing.T) {
	var v crypt.Verifier
	start := time.Now()
	matches, err := v.Verify(t.Context(), sha512, strings.Repeat("x", 1<<20))
	require.NoError(t, err)
	require.False(t, matches)
	require.Less(t, time.Since(start), time.Second)
}

func ExampleVerifier() {
	var verifier crypt.Verifier
	hash := "$6$rounds=1000$MuZ.ZTdlRJ0zHPxS$pPopUkYjchlws6NvBIxi20/HdCH7ZLzo1WMD.Cj/BMfWwBDzfJkm3Tol.QNSwyg/4H2WjHyhRcNQYGB4qB0hl."
	fmt.Println(verifier.Verify(context.Background(), hash, "x"))
	fmt.Println(verifier.Verify(context.Background(), hash, "y"))
	fmt.Println(crypt.Supported("secret"))
	// Output:
	// true <nil>
	// false <nil>
	// crypt: plain text and DES are not taken, expected is one that begins with $6$, $5$, $y$, $2a$, $2b$, $2y$, $1$ or $argon2id$
}

func FuzzSupported(f *testing.F) {
	for _, hash := range []string{sha512, yes, bcrypt, argon, "", "!", "$1$a$", "$y$", "$argon2id$v=19$m=8,t=1,p=1$$"} {
		f.Add(hash)
	}
	f.Fuzz(func(t *testing.T, hash string) {
		err := crypt.Supported(hash)
		if err != nil || dear(hash) {
			return
		}
		var v crypt.Verifier
		if _, err := v.Verify(t.Context(), hash, "x"); err != nil {
			t.Fatalf("%q is said to be supported: %v", hash, err)
		}
	})
}

// dear reports whether checking a hash takes longer than fuzzing has patience.
func dear(hash string) bool {
	return strings.Contains(hash, "rounds=") || strings.HasPrefix(hash, "$argon2id$") || strings.HasPrefix(hash, "$y$") ||
		strings.HasPrefix(hash, "$2")
}

func BenchmarkVerify(b *testing.B) {
	for name, hash := range map[string]string{"sha512-1000": sha512, "yescrypt": yes, "bcrypt-5": bcrypt,
		"argon2id": argon} {
		b.Run(name, func(b *testing.B) {
			var v crypt.Verifier
			for b.Loop() {
				_, _ = v.Verify(b.Context(), hash, "x")
			}
		})
	}
}
