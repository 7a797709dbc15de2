"""The composition root: settings in, a running application out. Only here things are built."""
