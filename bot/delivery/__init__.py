"""The sender: claim, gate, pace, send, record. The only part that starts messages to many."""
