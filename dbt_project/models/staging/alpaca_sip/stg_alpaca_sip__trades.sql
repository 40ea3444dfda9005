{{ alpaca_stock_trades('alpaca_sip') }}
