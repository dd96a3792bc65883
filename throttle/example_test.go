package throttle_test

import (
	"fmt"

	"github.com/sluicemail/sluice/throttle"
)

func ExampleSlots() {
	slots := throttle.NewSlots(100, 50, 75)
	sending := 0
	for slots.Outgoing().TryAcquire() {
		sending++
	}
	receiving := 0
	for slots.Incoming().TryAcquire() {
		receiving++
	}
	fmt.Println(sending, receiving)
	slots.Outgoing().Release()
	fmt.Println(slots.Incoming().TryAcquire())
	// Output:
	// 75 25
	// true
}
