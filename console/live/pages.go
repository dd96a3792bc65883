package live

import "github.com/sluicemail/sluice/console/frame"

// Pages are the pages, for a frame that serves them.
func (c *Live) Pages(f *frame.Frame) []frame.Page {
	c.frame = f
	c.listings = c.listingsOf(f)
	c.troubled = frame.NewLatest(f, attentionEvery, attentionTime, c.askHeldBack)
	return []frame.Page{c.overviewPage(), c.domainsPage(), c.mtasPage(), c.tagsPage(), c.classesPage(), c.pausePage()}
}
