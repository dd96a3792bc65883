package checks

import (
	"testing"

	"github.com/sluicemail/sluice/internal/mtatest"
)

func TestMain(m *testing.M) { mtatest.Main(m) }
