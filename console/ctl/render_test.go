package ctl_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console/ctl"
)

func TestRender(t *testing.T) {
	c := &ctl.Command{Stdin: strings.NewReader("from stdin"), Render: func(_ context.Context, file string, m []byte,
		download bool) ([]byte, []string, error) {
		if string(m) == "wrong" {
			return nil, nil, errors.New("Subject, line 1, column 2: {$}: not a name")
		}
		if download {
			return []byte("mail with all of " + string(m) + " by " + file), nil, nil
		}
		return []byte("mail " + string(m)), []string{"https://example.com/a.png"}, nil
	}}
	out, _, code := run(c, "render")
	require.Equal(t, ctl.ExitOK, code)
	require.Equal(t, "mail from stdin", out)

	file := filepath.Join(t.TempDir(), "m.json")
	require.NoError(t, os.WriteFile(file, []byte("from a file"), 0o600))
	out, errs, code := run(c, "render", file)
	require.Equal(t, ctl.ExitOK, code)
	require.Equal(t, "mail from a file", out)
	require.Contains(t, errs, "left out, as --download was not given: https://example.com/a.png")
	out, errs, code = run(c, "--config-file", "mtad.conf", "render", "--download", file)
	require.Equal(t, ctl.ExitOK, code)
	require.Equal(t, "mail with all of from a file by mtad.conf", out)
	require.Empty(t, errs)

	require.NoError(t, os.WriteFile(file, []byte("wrong"), 0o600))
	out, errs, code = run(c, "render", file)
	require.Equal(t, ctl.ExitData, code)
	require.Empty(t, out)
	require.Contains(t, errs, "line 1, column 2")

	_, _, code = run(c, "render", filepath.Join(t.TempDir(), "none"))
	require.Equal(t, ctl.ExitNoInput, code)
	_, errs, code = run(&ctl.Command{}, "render", file)
	require.Equal(t, ctl.ExitUsage, code, errs)
}
