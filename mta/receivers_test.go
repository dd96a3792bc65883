package mta

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/queue"
)

// TestReceiversFile is read again by a reload: what makes no sense in it is told and left out, and when it cannot be
// read, what was known before stays.
func TestReceiversFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "receivers.txt")
	write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
	write("group: general\n\nclass: loop\ntext: round and round\n\nclass: loops\ntext: and round\n")
	var said bytes.Buffer
	b := newBase(&config.Config{ReceiversFile: path}, slog.New(slog.NewTextHandler(&said, nil)), nil)
	k, err := openBook(b)
	require.NoError(t, err)
	require.Contains(t, said.String(), path+`:6: class: \"loops\": expected one of address-unknown`)
	class := func(text string) queue.Class {
		return k.current.Load().Class(&queue.Result{State: queue.StateRcptTo, Result: queue.Error, Code: 550,
			Description: text},
			"mx.example.com")
	}
	require.Equal(t, queue.ClassLoop, class("It goes round and round"))
	require.Equal(t, queue.ClassAddressUnknown, class("User unknown"))

	write("group: general\n\nclass: virus\ntext: round and round\n")
	require.NoError(t, k.set(b.cfg))
	require.Equal(t, queue.ClassVirus, class("It goes round and round"))

	require.ErrorContains(t, k.set(&config.Config{ReceiversFile: path + "x"}), "receivers-file: ")
	require.Equal(t, queue.ClassVirus, class("It goes round and round"))
	require.NoError(t, k.set(&config.Config{}))
	require.Equal(t, queue.ClassOther, class("It goes round and round"))
	_, err = openBook(newBase(&config.Config{ReceiversFile: path + "x"}, b.log, nil))
	require.True(t, Misconfigured(err))
}
