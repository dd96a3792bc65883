package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"

	"github.com/sluicemail/sluice/internal/rawurl"
)

// hardcoded holds a digest of every name and password; the passwords themselves are not kept.
type hardcoded struct {
	key      [32]byte
	accounts []hardcodedAccount
}

type hardcodedAccount struct{ name, password [sha256.Size]byte }

// Hardcoded accepts the given passwords, by user name. Every account is looked at in every login, so that the time it
// takes tells nothing about them; ten thousand take about two milliseconds. Empty names and passwords let nobody in.
func Hardcoded(passwords map[string]string) Authenticator {
	h := new(hardcoded)
	_, _ = rand.Read(h.key[:]) // never fails
	for name, password := range passwords {
		if name != "" && password != "" {
			h.accounts = append(h.accounts, hardcodedAccount{h.digest(name), h.digest(password)})
		}
	}
	return h
}

func (h *hardcoded) digest(s string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, h.key[:])
	mac.Write([]byte(s))
	mac.Sum(sum[:0])
	return sum
}

func (h *hardcoded) Authenticate(ctx context.Context, login Login) error {
	if login.Username == "" || login.Password == "" {
		return ErrRejected
	}
	name, password := h.digest(login.Username), h.digest(login.Password)
	matches := 0
	for i := range h.accounts {
		account := &h.accounts[i]
		matches |= subtle.ConstantTimeCompare(name[:], account.name[:]) & subtle.ConstantTimeCompare(password[:],
			account.password[:])
	}
	if matches == 1 {
		return nil
	}
	return ErrRejected
}

// String says how many accounts there are.
func (h *hardcoded) String() string { return fmt.Sprintf("%d hardcoded accounts", len(h.accounts)) }

// GoString is String.
func (h *hardcoded) GoString() string { return h.String() }

// OpenHardcoded is the Opener of hardcoded://user:pass,user2:pass2. See ParseHardcoded.
func OpenHardcoded(_, rest string) (Authenticator, error) {
	passwords, err := ParseHardcoded(rest)
	if err != nil {
		return nil, err
	}
	return Hardcoded(passwords), nil
}

// ParseHardcoded reads user:pass pairs separated by commas. A comma may also stand between name and password, as in
// MailerQ's own example, user:pass,user2,pass2. What can be read in more than one way is refused: an entry with two
// colons, a name without password, a name that comes twice, spaces around an entry.
//
// %3A, %2C, %25 and any other % with two hexadecimal digits stand for the character of that number; other % signs, and
// also @, / and ?, stand for themselves. Errors tell an entry by its number.
func ParseHardcoded(rest string) (map[string]string, error) {
	if rest == "" {
		return nil, errors.New("no accounts, expected is user:pass,user2:pass2")
	}
	passwords := make(map[string]string)
	entries := strings.Split(rest, ",")
	for i := 0; i < len(entries); i++ {
		number := i + 1
		if err := checkEntry(entries[i]); err != nil {
			return nil, fmt.Errorf("entry %d: %w", number, err)
		}
		name, password, found := strings.Cut(entries[i], ":")
		if !found {
			if i++; i == len(entries) || strings.Contains(entries[i], ":") {
				return nil,
					fmt.Errorf("entry %d: the password of a user is missing, expected is user:pass (%%2C stands for a comma within)",
						number)
			}
			password = entries[i]
			if err := checkEntry(password); err != nil {
				return nil, fmt.Errorf("entry %d: %w", i+1, err)
			}
		}
		if name == "" || password == "" {
			return nil, fmt.Errorf("entry %d: name or password is empty, expected is user:pass", number)
		}
		name = rawurl.UnescapeLoose(name)
		if _, twice := passwords[name]; twice {
			return nil, fmt.Errorf("entry %d: the same user comes twice", number)
		}
		passwords[name] = rawurl.UnescapeLoose(password)
	}
	return passwords, nil
}

func checkEntry(entry string) error {
	switch {
	case entry == "":
		return errors.New("there is nothing between two commas, or after the last")
	case strings.Count(entry, ":") > 1:
		return errors.New("there are two colons, so that it is not clear where the password begins (%3A stands for a colon within)")
	case strings.TrimSpace(entry) != entry:
		return errors.New("there is a space before or after it (%20 stands for a space that belongs to it)")
	}
	return nil
}
