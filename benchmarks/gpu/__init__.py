"""What is measured on a GPU, in one window of nine minutes: window.sh."""
