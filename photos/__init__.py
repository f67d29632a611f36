"""Photos: fetched, looked at, made to fit, put back, compared; whoever does it with them."""
