//go:build !linux

package enqueue

import "os"

func createFile(dir string) (f *os.File, name string, err error) { return createNamed(dir) }
