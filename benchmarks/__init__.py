"""What is measured: accuracy.py the errors, run.py the times and the memory."""
