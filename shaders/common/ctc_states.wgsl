// The states of a sample of the CTC loss: blank, l1, blank, l2, .., blank. The targets are bound where this is included.
fn class_of(n: u32, state: u32) -> u32 {
  return select(targets[n * LABELS + min(state / 2u, LABELS - 1u)], BLANK, state % 2u == 0u);
}

// Whether a state follows from that two before.
fn skips(n: u32, state: u32) -> bool {
  return state >= 2u && class_of(n, state) != class_of(n, state - min(state, 2u));
}
