package fetch

// Waiting returns how many wait for a download.
func (c *Client) Waiting(address string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flights[address]; f != nil {
		return f.waiting
	}
	return 0
}
