"""Keys, envelopes, blind index: what keeps a stolen database silent (promise 6). Pure."""
