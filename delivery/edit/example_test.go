package edit_test

import (
	"fmt"
	"strings"

	"github.com/sluicemail/sluice/delivery/edit"
	"github.com/sluicemail/sluice/queue"
)

func ExampleApply() {
	mail := queue.Bytes("Subject: Hello\r\nX-Internal: 42\r\n\r\nHow are you?\r\n")
	body, err := edit.Apply(mail, &queue.HeaderEdits{
		Remove:  []string{"x-internal"},
		Replace: []queue.Field{{Name: "Subject", Value: "Good morning"}},
		Append:  []queue.Field{{Name: "Precedence", Value: "bulk"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	text, _ := queue.ReadBody(body)
	fmt.Print(strings.ReplaceAll(string(text), "\r\n", "\n"))
	// Output:
	// Subject: Good morning
	// Precedence: bulk
	//
	// How are you?
}
