package libcrypto_test

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSigningNeedsNoLibrary lists what whoever signs without this package compiles.
func TestSigningNeedsNoLibrary(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "github.com/sluicemail/sluice/delivery/sign").Output()
	require.NoError(t, err)
	require.Contains(t, string(out), "internal/mailsig")
	require.NotContains(t, string(out), "purego")
}
