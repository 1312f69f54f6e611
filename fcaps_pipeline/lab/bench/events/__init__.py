"""How well events are placed: clips of known truth, what is learnt from them, what it is worth on other voices."""
