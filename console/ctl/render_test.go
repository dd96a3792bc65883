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
	c := &ctl.Command{Stdin: strings.NewReader("from stdin"), Render: func(_ context.Context, m []byte) ([]byte, error) {
		if string(m) == "wrong" {
			return nil, errors.New("Subject, line 1, column 2: {$}: not a name")
		}
		return []byte("mail " + string(m)), nil
	}}
	out, _, code := run(c, "render")
	require.Equal(t, ctl.ExitOK, code)
	require.Equal(t, "mail from stdin", out)

	file := filepath.Join(t.TempDir(), "m.json")
	require.NoError(t, os.WriteFile(file, []byte("from a file"), 0o600))
	out, _, code = run(c, "render", file)
	require.Equal(t, ctl.ExitOK, code)
	require.Equal(t, "mail from a file", out)

	require.NoError(t, os.WriteFile(file, []byte("wrong"), 0o600))
	out, errs, code := run(c, "render", file)
	require.Equal(t, ctl.ExitData, code)
	require.Empty(t, out)
	require.Contains(t, errs, "line 1, column 2")

	_, _, code = run(c, "render", filepath.Join(t.TempDir(), "none"))
	require.Equal(t, ctl.ExitNoInput, code)
	_, errs, code = run(&ctl.Command{}, "render", file)
	require.Equal(t, ctl.ExitUsage, code, errs)
}
