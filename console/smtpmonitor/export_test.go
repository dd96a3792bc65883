package smtpmonitor

import (
	"context"
	"net/url"
)

// Bounds of what a browser gets.
const (
	FollowedMost = followedMost
	ShownLine    = shownLine
	MaxPassing   = maxPassing
)

// What a browser gets.
type (
	Flight = flightLine
	Piece  = flightPiece
)

// Follow is the stream of the page.
func (c *Monitor) Follow(ctx context.Context, params url.Values, send func(any) error) error {
	return c.follow(ctx, params, send)
}
