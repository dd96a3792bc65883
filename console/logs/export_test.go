package logs

// FollowAtOnce is how many entries a piece has at most.
const FollowAtOnce = followAtOnce
