"""Proof that convinces a stranger (promise 3): Merkle log, signed notes, bundles, the verifier.

Stands alone: nothing else of the project is imported here.
"""
