{{ alpaca_quotes('alpaca_iex', "'equity'") }}
