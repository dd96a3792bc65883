package mta

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/monitor/logfile"
)

func TestLogHealth(t *testing.T) {
	for _, c := range []struct {
		name        string
		files       []logfile.FileStats
		detail, err string
	}{
		{"all well", []logfile.FileStats{{Path: "send.log", Lines: 5}, {Path: "received.log"}}, "2 files", ""},
		{"lines were lost", []logfile.FileStats{{Path: "send.log", Dropped: 1200}},
			"1 file; 1,200 lines were lost since the start", ""},
		{"one cannot be written", []logfile.FileStats{{Path: "received.log"},
			{Path: "send.log", Dropped: 3, Err: syscall.ENOSPC}}, "2 files; 3 lines were lost since the start",
			"send.log cannot be written: no space left on device; 3 lines were lost since the start"},
	} {
		t.Run(c.name, func(t *testing.T) {
			detail, err := logHealth(c.files)
			require.Equal(t, c.detail, detail)
			if c.err == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, c.err)
			require.ErrorIs(t, err, syscall.ENOSPC)
		})
	}
}
