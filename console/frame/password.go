package frame

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-crypt/crypt/algorithm/shacrypt"
)

// FirstPassword makes a password for the user admin and writes its hash to a file of package auth/file, unless the file
// is there already. It returns the password when it made one, and "" otherwise; it is stored nowhere. Whoever has lost
// it removes the file, or writes another hash into it.
func FirstPassword(file string) (password string, err error) {
	if _, err := os.Stat(file); err == nil {
		return "", nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("console: the file of the first password: %w", err)
	}
	password = rand.Text() // 130 bits
	// the password cannot be guessed, so the hash need not be slow
	hasher, err := shacrypt.New(shacrypt.WithSHA512(), shacrypt.WithIterations(5000))
	if err != nil {
		return "", err
	}
	digest, err := hasher.Hash(password)
	if err != nil {
		return "", err
	}
	text := "# Who may log in to the console. Remove this file to have a new password made at the next start.\nadmin:" +
		digest.Encode() + "\n"
	made, err := writeNew(file, []byte(text))
	if err != nil {
		return "", fmt.Errorf("console: the file of the first password: %w", err)
	}
	if !made {
		return "", nil
	}
	return password, nil
}

// writeNew writes a file that only its owner can read, all of it or nothing. It reports false when somebody else was
// faster.
func writeNew(file string, text []byte) (made bool, err error) {
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return false, err
	}
	temp, err := os.CreateTemp(dir, ".console-*") // mode 0600
	if err != nil {
		return false, err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(text)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err != nil {
		return false, err
	}
	if err := os.Link(temp.Name(), file); err != nil { // unlike a rename, it replaces nothing
		if errors.Is(err, fs.ErrExist) {
			return false, nil
		}
		return false, err
	}
	return true, nil
}
