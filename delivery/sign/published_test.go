package sign_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery/sign"
	"github.com/sluicemail/sluice/queue"
)

const edRecord = "ed._domainkey.example.com"

// dnsWorld is a signer with one key that depends on the DNS.
func dnsWorld(t *testing.T, z *zone) (s *sign.Signer, changed *[]string) {
	changed = new([]string)
	p := &sign.Published{Resolver: z, Changed: func(record string, found bool, err error) {
		line := record + " lost"
		if found {
			line = record + " found"
		}
		if err != nil {
			line += ": " + err.Error()
		}
		*changed = append(*changed, line)
	}}
	t.Cleanup(p.Close)
	compile := func() *sign.Keys {
		keys, broken := sign.Compile([]sign.Spec{{Key: edOwn(), CheckDNS: true}}, nil)
		require.Empty(t, broken)
		return keys
	}
	keys := compile()
	return &sign.Signer{Keys: func() *sign.Keys { return keys }, Published: p}, changed
}

func isSigned(t *testing.T, s *sign.Signer) bool {
	body, err := finish(t.Context(), s, &queue.Message{Body: queue.Bytes(mail)})
	require.NoError(t, err)
	return len(signatures(text(t, body))) > 0
}

func TestKeysThatDependOnTheDNS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var z zone
		s, changed := dnsWorld(t, &z)
		require.False(t, isSigned(t, s), "nothing is known yet, and nobody waits")
		synctest.Wait()
		require.False(t, isSigned(t, s), "there is no such key")
		require.Equal(t, 1, z.count(edRecord))

		z.set(edRecord, record(ed25519Key()))
		time.Sleep(61 * time.Second)
		isSigned(t, s) // looks again
		synctest.Wait()
		require.True(t, isSigned(t, s), "published at last")
		require.Equal(t, 2, z.count(edRecord))

		time.Sleep(5 * time.Minute)
		require.True(t, isSigned(t, s))
		synctest.Wait()
		require.Equal(t, 2, z.count(edRecord), "still fresh")

		z.set(edRecord, "timeout")
		time.Sleep(6 * time.Minute)
		isSigned(t, s)
		synctest.Wait()
		require.True(t, isSigned(t, s), "a DNS that does not answer changes nothing")
		require.Equal(t, 3, z.count(edRecord))

		z.set(edRecord, record(rsaKey()))
		time.Sleep(61 * time.Second)
		isSigned(t, s)
		synctest.Wait()
		require.False(t, isSigned(t, s), "another key took its place")
		require.Equal(t, []string{edRecord + " lost: no key published", edRecord + " found",
			edRecord + " lost: the public key in the DNS is another one"}, *changed)
	})
}

func TestWatchAsksInAdvance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var z zone
		z.set(edRecord, record(ed25519Key()))
		s, _ := dnsWorld(t, &z)
		s.Published.Watch(s.Keys())
		s.Published.Watch(nil)
		synctest.Wait()
		require.True(t, isSigned(t, s))

		next, broken := sign.Compile([]sign.Spec{{Key: edOwn(), CheckDNS: true}}, nil)
		require.Empty(t, broken)
		s.Keys = func() *sign.Keys { return next }
		require.True(t, isSigned(t, s), "what is known outlives a reload")
		require.Equal(t, 1, z.count(edRecord))

		s.Published.Close()
		time.Sleep(time.Hour)
		require.True(t, isSigned(t, s), "after Close nothing is asked, and what is known stays")
		require.Equal(t, 1, z.count(edRecord))
	})
}

func TestManyKeysAreAskedForAFewAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var specs []sign.Spec
		for i := range 500 {
			key := edOwn()
			key.Selector = "s" + string(rune('a'+i%26)) + string(rune('a'+i/26))
			specs = append(specs, sign.Spec{Key: key, CheckDNS: true})
		}
		keys, broken := sign.Compile(specs, nil)
		require.Empty(t, broken)
		var z zone
		p := &sign.Published{Resolver: &z}
		p.Watch(keys)
		p.Watch(keys)
		synctest.Wait()
		p.Close()
		z.mu.Lock()
		defer z.mu.Unlock()
		require.Len(t, z.asked, 500)
		for name, n := range z.asked {
			require.Equal(t, 1, n, name)
		}
	})
}

func TestWithoutPublishedNothingThatDependsOnItIsSigned(t *testing.T) {
	s, _ := dnsWorld(t, &zone{})
	s.Published = nil
	require.False(t, isSigned(t, s))
}
