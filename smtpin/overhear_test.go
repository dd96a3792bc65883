package smtpin

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/monitor"
)

// TestOverhear has somebody see the mails that come in, by DATA and in chunks, after the words that stand for them.
func TestOverhear(t *testing.T) {
	for name, send := range map[string]func(c *client, mail string){
		"DATA": func(c *client, mail string) {
			c.expect("DATA\r\n", "354")
			c.expect(mail+".\r\n", "250")
		},
		"BDAT": func(c *client, mail string) {
			c.expect(fmt.Sprintf("BDAT 5\r\n%s", mail[:5]), "250")
			c.expect(fmt.Sprintf("BDAT %d LAST\r\n%s", len(mail)-5, mail[5:]), "250")
		},
	} {
		t.Run(name, func(t *testing.T) {
			live := &monitor.Live{}
			c := dial(t, serve(t, &Server{Backend: &recorder{}, Monitor: live}, &Listener{}))
			c.expect("", "220")
			c.expect("EHLO client.test\r\n", "250")
			const mail = "Subject: x\r\n\r\nwhat nobody else is told\r\n"
			for _, wanted := range []int{0, 20, 1000} {
				w, err := live.Watch(monitor.SessionFilter{Mails: wanted}, 0)
				require.NoError(t, err)
				c.expect("MAIL FROM:<a@b.test>\r\n", "250")
				c.expect("RCPT TO:<c@d.test>\r\n", "250")
				send(c, mail)
				c.expect("NOOP wanted\r\n", "250")
				var got []string
				before := ""
				for {
					f, err := w.Next(t.Context())
					require.NoError(t, err)
					if f.Mail {
						require.Equal(t, fmt.Sprintf("(a mail of %d bytes)\r\n", len(mail)), before)
						require.Equal(t, len(mail), len(f.Data)+f.Cut)
						got = append(got, string(f.Data))
					}
					if before = string(f.Data); before == "NOOP wanted\r\n" {
						break
					}
				}
				if wanted == 0 {
					require.Empty(t, got)
				} else {
					require.Equal(t, []string{mail[:min(wanted, len(mail))]}, got)
				}
				w.Close()
			}
		})
	}
}
