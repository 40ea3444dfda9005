{{ alpaca_quotes('alpaca', "'crypto'") }}
