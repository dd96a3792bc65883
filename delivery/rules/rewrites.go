package rules

import (
	"time"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/queue"
)

type rewrites struct{}

func (c *compiler) rewrites() {}

// Rewrite implements delivery.Steering.
func (s *Set) Rewrite(m *queue.Message, now time.Time) delivery.Decision { return delivery.Decision{} }
