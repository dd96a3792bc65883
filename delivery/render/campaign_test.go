package render_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery/render"
	"github.com/sluicemail/sluice/queue"
)

// TestCampaign makes the mails of two campaigns at a time: each has the values of its recipient, in the first mail and
// in the hundredth, and a value that cannot be used ends its own message only.
func TestCampaign(t *testing.T) {
	mails := []queue.Bytes{
		eml("To: {$name} <{$recipient}>\nContent-Type: text/plain; charset=utf-8\n\nHi {$name}\n"),
		eml("To: <{$recipient}>\nContent-Transfer-Encoding: quoted-printable\n\nBye {$name} =3D\n"),
	}
	r := new(render.Renderer)
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			name := fmt.Sprintf("Nr %d", i)
			m := &queue.Message{Recipient: fmt.Sprintf("r%d@example.com", i), Data: fmt.Appendf(nil, `{"name": %q}`, name),
				Body: mails[i%2]}
			if i%50 == 48 {
				m.Recipient = "no address"
			}
			want := "To: " + name + " <" + m.Recipient + ">\nContent-Type: text/plain; charset=utf-8\n\nHi " + name + "\n"
			if i%2 == 1 {
				want = "To: " + m.Recipient + "\nContent-Transfer-Encoding: quoted-printable\n\nBye " + name + " =3D\n"
			}
			got, err := made(t, r, m)
			switch {
			case i%50 == 48 && (err == nil || !strings.Contains(err.Error(), `"no address"`)):
				t.Error("an address that is none:", got, err)
			case i%50 != 48 && got != want:
				t.Errorf("%q, %v is not %q", got, err, want)
			}
		})
	}
	all.Wait()
}

// TestCampaignThatIsWrong ends each message of a campaign with the same error, the first as the tenth.
func TestCampaignThatIsWrong(t *testing.T) {
	r := new(render.Renderer)
	for _, mail := range []string{"Subject: {$a}\n\n{if $x}\n", "Content-Type: multipart/mixed\n\nx"} {
		var first error
		for i := range 10 {
			_, err := made(t, r, &queue.Message{Data: []byte(`{}`), Body: eml(mail)})
			require.Error(t, err)
			if i == 0 {
				first = err
			}
			require.Equal(t, first.Error(), err.Error())
		}
	}
}
