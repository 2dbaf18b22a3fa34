collect_ignore_glob = ["*.py"]  # the guides are tested here: `pytest handbook`
