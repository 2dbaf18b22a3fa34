"""What the report says of files whose faults are known."""
