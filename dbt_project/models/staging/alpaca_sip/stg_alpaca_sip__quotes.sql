{{ alpaca_quotes('alpaca_sip', "'equity'") }}
