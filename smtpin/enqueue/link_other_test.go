//go:build !linux

package enqueue_test

import (
	"errors"
	"os"
)

func linkFile(*os.File, string) error { return errors.New("only on Linux") }
