package console

import "github.com/sluicemail/sluice/console/frame"

// Pages are those that the console serves.
func (c *Console) Pages() []frame.Page { return c.frame.Pages }
