// Package s3 tests the message store on S3 against a server of that protocol.
package s3
