package rules

import (
	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/queue"
)

type responses struct{}

func (c *compiler) responses() {}

// Respond implements delivery.Steering.
func (s *Set) Respond(sel *delivery.Selection, m *queue.Message, result *queue.Result, text string) delivery.Decision {
	return delivery.Decision{}
}
