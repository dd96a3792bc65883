package live

// ReverseFor is how long the DNS is believed.
const ReverseFor = reverseEvery
