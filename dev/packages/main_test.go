package packages

import (
	"testing"

	"github.com/sluicemail/sluice/dev/mtatest"
)

func TestMain(m *testing.M) { mtatest.Main(m) }
