package dir

import (
	"context"
	"errors"
	"strings"

	"github.com/sluicemail/sluice/internal/rawurl"
	"github.com/sluicemail/sluice/queue/bodystore"
)

// OpenAddress opens the store that an address stands for, given what follows dir://: a path, and the parameter depth.
// It is a bodystore.Opener.
func OpenAddress(_ context.Context, _, rest string) (bodystore.Driver, error) {
	path, query, _ := strings.Cut(rest, "?")
	if path == "" {
		return nil, errors.New("expected the path of a directory, such as dir:///var/lib/mails")
	}
	params, err := rawurl.ParseParams(query, "depth")
	if err != nil {
		return nil, err
	}
	depth, err := params.Count("depth", MaxDepth)
	if err != nil {
		return nil, err
	}
	return Open(path, depth)
}
