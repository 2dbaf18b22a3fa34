"""What pytest must know before it collects."""

from hypothesis import settings

settings.register_profile("fuzz", max_examples=10_000, deadline=None, print_blob=True)
