package sign_test

import (
	"context"
	"fmt"

	"github.com/sluicemail/sluice/delivery/edit"
	"github.com/sluicemail/sluice/delivery/sign"
	"github.com/sluicemail/sluice/queue"
)

// The engine's hook: edits first, then signatures over what came of them.
func Example() {
	var parsed sign.KeyCache // outlives snapshots of the settings
	keys, broken := sign.Compile([]sign.Spec{{
		Name:     "dkim_keys 1",
		Key:      queue.DKIM{Domain: "example.com", Selector: "ed", Key: pkcs8(ed25519Key()), Expire: 86400},
		Patterns: []sign.Pattern{{Type: "exact", Text: "example.com"}, {Type: "fnmatch", Text: "*.example.com"}},
	}}, &parsed)
	for _, err := range broken {
		fmt.Println(err)
	}
	signer := &sign.Signer{Keys: func() *sign.Keys { return keys }}
	finish := func(ctx context.Context, m *queue.Message) (queue.Body, error) {
		body, err := edit.Finish(ctx, m)
		if err != nil {
			return nil, err
		}
		return signer.Sign(ctx, m, body)
	}

	body, err := finish(context.Background(), &queue.Message{
		Body:    queue.Bytes("From: news@shop.example.com\r\nSubject: Offers\r\n\r\nHello.\r\n"),
		Headers: &queue.HeaderEdits{Append: []queue.Field{{Name: "List-Id", Value: "<news.example.com>"}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mail, _ := queue.ReadBody(body)
	signature := signatures(string(mail))[0]
	fmt.Println(tag(signature, "d"), tag(signature, "a"), tag(signature, "h"))
	// Output:
	// example.com ed25519-sha256 From:From:To:Cc:Subject:Subject:Date:Reply-To:MIME-Version:Content-Type:Content-Transfer-Encoding:List-Id
}
