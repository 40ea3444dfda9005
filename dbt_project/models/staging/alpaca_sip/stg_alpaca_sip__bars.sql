{{ alpaca_stock_bars('alpaca_sip') }}
