package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sluicemail/sluice/internal/rawurl"
	"github.com/sluicemail/sluice/queue/bodystore"
)

// OpenAddress opens the store that an address stands for, given what follows s3://. It is a bodystore.Opener.
func OpenAddress(_ context.Context, _, rest string) (bodystore.Driver, error) {
	o, err := ParseAddress(rest)
	if err != nil {
		return nil, err
	}
	return Open(o)
}

// ParseAddress reads ACCESS:SECRET@REGION/BUCKET, a prefix of names behind another slash, and the parameters endpoint
// (a URL) and style (path or virtual). The keys may contain / and +, as Amazon's do; what they cannot contain may be
// percent-encoded. Errors show neither of them.
func ParseAddress(rest string) (o Options, err error) {
	place, query, _ := rawurl.CutParams(rest)
	at := strings.LastIndexByte(place, '@')
	if at < 0 {
		return o, errors.New("expected s3://ACCESS:SECRET@REGION/BUCKET, got no @")
	}
	access, secret, _ := strings.Cut(place[:at], ":")
	o.Access, o.Secret = rawurl.UnescapeLoose(access), rawurl.UnescapeLoose(secret)
	if o.Access == "" || o.Secret == "" {
		return o, errors.New("expected s3://ACCESS:SECRET@REGION/BUCKET, got no access key or no secret key before the @")
	}
	region, bucket, _ := strings.Cut(place[at+1:], "/")
	bucket, prefix, _ := strings.Cut(bucket, "/")
	if !plain(region) || region == "" {
		return o, fmt.Errorf("region %q: expected letters, digits and hyphens, such as eu-west-1", region)
	}
	if !plain(bucket) || len(bucket) < 3 || len(bucket) > 63 {
		return o, fmt.Errorf("bucket %q: expected 3 to 63 letters, digits, dots and hyphens", bucket)
	}
	o.Region, o.Bucket = region, bucket
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		o.Prefix = prefix + "/"
	}
	params, err := rawurl.ParseParams(query, "endpoint", "style")
	if err != nil {
		return o, err
	}
	o.Endpoint = params["endpoint"]
	switch style, given := params["style"]; {
	case style == "path":
		o.PathStyle = true
	case style == "virtual":
		o.VirtualStyle = true
	case given:
		return o, fmt.Errorf("parameter style=%q: expected path or virtual", style)
	}
	return o, nil
}

// plain reports whether s is of characters that regions and buckets are made of.
func plain(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == ""
}
