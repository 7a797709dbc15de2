"""What may be said, to whom, when: content, the law's demands, schedules, states. Pure."""
