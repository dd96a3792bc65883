// Package idle measures mtad while much mail waits and nothing is to be done, beside no other test.
package idle
