"""What must be known before anything is collected."""

import os

from hypothesis import settings

collect_ignore_glob = ["typed/*"]  # for the type checker alone

# Before torch is loaded: pytest-xdist has a process for each core, and threads that spin while they wait take the
# cores of others.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

settings.register_profile("fuzz", max_examples=10_000, deadline=None, print_blob=True)
