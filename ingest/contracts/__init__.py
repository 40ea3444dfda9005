"""What people and programs must keep to in what they hand over: one module per kind of record.

Not for what vendors send: that lands as it is, and SQL judges it.
"""
