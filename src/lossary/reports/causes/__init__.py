"""What the loss comes from: hypotheses that compete by what they explain.

A hypothesis takes a sample of the file and hands back a `Cause`, or nothing where its test does not hold: how many nats
it explains, what it says, its fix, and the sample as it would be with the fix. `ledger` takes the best, and asks the
others again about what is left.
"""
