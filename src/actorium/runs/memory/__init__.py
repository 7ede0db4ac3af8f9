"""How much memory a run gets where nobody says: the Actor's expression over the input, rounded and kept in bounds.

``syntax`` turns the text of an expression into a flat program, ``evaluation`` runs it, ``choice`` makes memory of it.
"""
