"""`make demo`: the whole of Calsync on one machine, with invented people over the real road."""
